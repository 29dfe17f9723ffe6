import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct SpQRTests {
  @Test(arguments: [16, 50])
  func keepingTheSensitiveWeightsApartLosesLessThanGPTQAndRounding(columns: Int) throws {
    var (losses, gptq, rounding) = (0.0, 0.0, 0.0)
    for seed in UInt64(1)...4 {
      var weight = Matrix.normal(rows: 40, columns: columns, seed: seed)
      for index in stride(from: 7, to: weight.values.count, by: 97) { weight.values[index] *= 12 }
      let seen = InputStatistics.correlated(columns: columns, seed: seed + 3)
      losses += try loss("spqr", weight, seen) { $0.outlierShare = 0.02 }
      gptq += try loss("gptq", weight, seen) { ($0.bits, $0.groupSize, $0.rangeSearch) = (3, 16, .minMax) }
      rounding += try loss("rtn", weight, seen) { ($0.bits, $0.groupSize) = (3, 16) }
    }
    #expect(losses < gptq && gptq <= rounding, "\(losses), \(gptq), \(rounding)")
  }

  @Test func aboutTheWantedShareIsApartAndEveryByteIsCounted() throws {
    var weight = Matrix.normal(rows: 64, columns: 128, seed: 5)
    for index in stride(from: 5, to: weight.values.count, by: 60) { weight.values[index] *= 10 }
    let stored = try quantized("spqr", weight) { $0.outlierShare = 0.01 }
    guard case .sum(let sum) = stored, case .affine(let base) = sum.terms[0],
      case .sparse(let apart) = sum.terms[1]
    else { throw WrongStorage() }
    let share = Double(apart.values.count / 2) / Double(weight.values.count)
    #expect(share > 0.004 && share < 0.02, "\(share)")
    guard case .quantized(let scales) = base.scales else { throw WrongStorage() }
    #expect(scales.bits == 3 && base.groupSize == 16)
    // 3 bits, 8 scales and 8 zero points of 3 bits per row, a step and a minimum, and the outliers.
    let perRow = 48 + 3 + 3 + 4
    #expect(stored.byteCount == 64 * perRow + apart.values.count * 2 + 65 * 4)
  }

  /// A group of zeros, which any scale decodes, leaves the scales of its neighbours alone.
  @Test func aGroupOfZerosCostsItsNeighboursNothing() throws {
    let weight = Matrix.normal(rows: 16, columns: 64, seed: 41, scale: 0.02)
    var zeroed = weight
    for row in 0..<16 { for column in 16..<32 { zeroed[row, column] = 0 } }
    let seen = InputStatistics.correlated(columns: 64, seed: 42, outliers: false)
    let method = try #require(CompressionMethod.named("spqr"))
    func loss(_ weight: Matrix) throws -> Double {
      let stored = try method.quantize(weight, seen, options: method.defaults, on: pool).matrix
      return seen.relativeLoss(of: stored.decoded(), to: weight)
    }
    #expect(try loss(zeroed) < 1.3 * loss(weight))
  }

  @Test func withoutOutliersNothingIsApart() throws {
    let stored = try quantized("spqr", Matrix.normal(rows: 5, columns: 40, seed: 2)) { $0.outlierShare = 0 }
    guard case .sum(let sum) = stored, case .sparse(let apart) = sum.terms[1] else { throw WrongStorage() }
    #expect(apart.values.count == 0)
  }

  private func loss(
    _ name: String, _ weight: Matrix, _ seen: InputStatistics, _ change: (inout MethodOptions) -> Void
  ) throws -> Double {
    let method = try #require(CompressionMethod.named(name))
    var options = method.defaults
    change(&options)
    let stored = try method.quantize(weight, seen, options: options, on: pool).matrix
    return seen.relativeLoss(of: stored.decoded(), to: weight)
  }
}
