import CPithKernels
import Foundation
import PithTensors
import Testing

extension InstructionSets {
  /// Functions of rows of numbers, measured against double precision.
  @Suite struct ElementwiseTests {
    static let counts = [1, 2, 7, 8, 15, 16, 17, 64, 65, 577, 3000]

    @Test(arguments: available) func activationsAreAccurateOverTheirWholeRange(set: pith_instruction_set) {
      let grid = (-4000...4000).map { Float($0) * 0.025 }
      let functions:
        [(String, (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void, (Double) -> Double)] = [
          ("silu", { pith_silu($0, $1, $2) }, { $0 / (1 + exp(-$0)) }),
          ("gelu", { pith_gelu($0, $1, $2) }, { 0.5 * $0 * erfc(-$0 / 2.0.squareRoot()) }),
          (
            "tanh gelu", { pith_gelu_tanh($0, $1, $2) },
            { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
          ),
        ]
      for (name, kernel, exact) in functions {
        var y = grid
        using(set) { kernel(grid, &y, grid.count) }
        for (x, y) in zip(grid, y) {
          let error = abs(Double(y) - exact(Double(x)))
          if !(error <= 3e-7 * max(1, abs(Double(x)))) { Issue.record("\(name)(\(x)) is off by \(error)") }
        }
      }
    }

    @Test(arguments: available, [1, 2, 4, 8, 16, 32, 64, 512])
    func hadamardTransformsAreThoseOfTheMatrix(set: pith_instruction_set, order: Int) {
      var random = SeededGenerator(seed: 5)
      let x = random.floats(order)
      var y = x
      using(set) { pith_hadamard(&y, order) }
      for i in 0..<order {
        let exact = (0..<order).reduce(0.0) {
          $0 + ((i & $1).nonzeroBitCount % 2 == 0 ? 1 : -1) * Double(x[$1])
        }
        #expect(abs(Double(y[i]) - exact) < 1e-4)
      }
    }

    @Test(arguments: available) func activationsMayOverwriteTheirInput(set: pith_instruction_set) {
      var random = SeededGenerator(seed: 1)
      for count in Self.counts {
        let x = random.floats(count)
        var (y, z) = (x, x)
        using(set) {
          pith_silu(x, &y, count)
          z.withUnsafeMutableBufferPointer { pith_silu($0.baseAddress!, $0.baseAddress!, count) }
        }
        #expect(y == z)
      }
    }

    @Test(arguments: available, [1, 30, 1000] as [Float])
    func softmaxIsAccurate(set: pith_instruction_set, spread: Float) {
      var random = SeededGenerator(seed: 2)
      for count in Self.counts {
        let x = random.floats(count).map { $0 * spread }
        var y = x
        using(set) { pith_softmax(&y, count, 0.125) }
        let scaled = x.map { Double($0 * 0.125) }
        let highest = scaled.max()!
        let sum = scaled.reduce(0) { $0 + exp($1 - highest) }
        for (y, x) in zip(y, scaled) {
          let expected = exp(x - highest) / sum
          #expect(abs(Double(y) - expected) <= 1e-6 * expected + 1e-30, "\(count) values, spread \(spread)")
        }
        let total = y.reduce(0.0) { $0 + Double($1) }
        #expect(abs(total - 1) < 1e-5)
      }
    }

    @Test(arguments: available) func softmaxKnowsWhatIsMasked(set: pith_instruction_set) {
      var x = [Float](repeating: -.infinity, count: 37)
      (x[3], x[36]) = (1, 1)
      using(set) { pith_softmax(&x, x.count, 1) }
      for (index, value) in x.enumerated() { #expect(value == (index == 3 || index == 36 ? 0.5 : 0)) }
    }

    @Test(arguments: available) func normsAreAccurate(set: pith_instruction_set) {
      var random = SeededGenerator(seed: 3)
      for count in Self.counts {
        let (weight, bias) = (random.floats(count), random.floats(count))
        let x = random.floats(count).map { $0 + 0.5 }
        var (rms, layer) = (x, x)
        using(set) {
          pith_rms_norm(x, weight, 1e-5, count, &rms)
          pith_layer_norm(x, weight, bias, 1e-5, count, &layer)
        }
        let wide = x.map(Double.init)
        let mean = wide.reduce(0, +) / Double(count)
        let square = wide.reduce(0) { $0 + $1 * $1 } / Double(count)
        let variance = wide.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        for i in 0..<count {
          let expected = wide[i] / (square + 1e-5).squareRoot() * Double(weight[i])
          #expect(abs(Double(rms[i]) - expected) < 2e-6 * max(1, abs(expected)), "\(count) values")
          let centred =
            (wide[i] - mean) / (variance + 1e-5).squareRoot() * Double(weight[i]) + Double(bias[i])
          #expect(abs(Double(layer[i]) - centred) < 1e-5, "\(count) values")
        }
      }
    }

    @Test(arguments: available, [1, 20, 300] as [Float])
    func distributionsOfLogitsAreAccurate(set: pith_instruction_set, spread: Float) {
      var random = SeededGenerator(seed: 4)
      for count in Self.counts + [49152] {
        let p = random.floats(count).map { $0 * spread }
        let q = zip(p, random.floats(count)).map { $0 + $1 }
        let (sum, divergence) = using(set) { (pith_log_sum_exp(p, count), pith_kl_divergence(p, q, count)) }
        let (pLog, qLog) = (logSumExp(p), logSumExp(q))
        let expected = zip(p, q).reduce(0) { total, pair in
          let (a, b) = (Double(pair.0) - pLog, Double(pair.1) - qLog)
          return total + exp(a) * (a - b)
        }
        #expect(abs(Double(sum) - pLog) <= 2e-7 * max(1, abs(pLog)), "\(count) logits, spread \(spread)")
        // The logits themselves have this many digits.
        #expect(
          abs(Double(divergence) - expected) <= 2e-7 * Double(spread) + 1e-6, "\(count), spread \(spread)")
      }
    }

    @Test(arguments: available) func aDistributionDoesNotDivergeFromItself(set: pith_instruction_set) {
      var random = SeededGenerator(seed: 5)
      for count in Self.counts {
        let p = random.floats(count)
        let divergence = using(set) { pith_kl_divergence(p, p, count) }
        #expect(divergence == 0)
      }
    }

    @Test(arguments: available) func notANumberStaysVisible(set: pith_instruction_set) {
      for count in [1, 8, 37] {
        var x = [Float](repeating: 1, count: count)
        x[count - 1] = .nan
        var y = x
        using(set) { pith_silu(x, &y, count) }
        #expect(y[count - 1].isNaN)
        using(set) { pith_rms_norm(x, x, 1e-5, count, &y) }
        #expect(y.allSatisfy { $0.isNaN })
        using(set) { pith_softmax(&x, count, 1) }
        #expect(x.contains { $0.isNaN })
      }
    }

    private func logSumExp(_ x: [Float]) -> Double {
      let highest = Double(x.max()!)
      return highest + log(x.reduce(0) { $0 + exp(Double($1) - highest) })
    }
  }
}

@Suite struct PlainKernelTests {
  @Test func theFirstOfTheLargestIsFound() {
    #expect(pith_argmax([1, 5, 5, 2], 4) == 1)
    #expect(pith_argmax([-3], 1) == 0)
    #expect(pith_argmax([-.infinity, -2, -1], 3) == 2)
  }

  @Test func pairsTurn() {
    var x: [Float] = [1, 2, 3, 4]
    pith_rotate(&x, [0, 1], [1, 0], 2)
    #expect(x == [-3, 2, 1, 4])
  }

  @Test func sumsAndProductsStayInPlace() {
    var x: [Float] = [1, 2, 3]
    pith_add(&x, [1, 1, 1], 3)
    pith_multiply(&x, [2, 0, 0.5], 3)
    #expect(x == [4, 0, 2])
  }
}
