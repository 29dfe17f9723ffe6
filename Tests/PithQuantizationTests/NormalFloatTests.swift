import Foundation
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct NormalFloatTests {
  /// The normal quantile at `p`, by bisection.
  private func quantile(_ p: Double) -> Double {
    var (low, high) = (-10.0, 10.0)
    while high - low > 1e-14 {
      let middle = (low + high) / 2
      if 0.5 * erfc(-middle / 2.0.squareRoot()) < p { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  @Test func theTableIsTheNormalQuantiles() {
    let offset = 0.9677083
    func side(_ count: Int) -> [Double] {
      (0..<count).map { quantile(offset + (0.5 - offset) * Double($0) / Double(count)) }
    }
    let raw = side(7).map(-) + [0] + side(8).reversed()
    let derived = raw.map { $0 / raw.last! }
    // The published table puts −1 where the quantiles' negative side ends.
    #expect(abs(derived[0] + 1) < 1e-6)
    for (value, expected) in zip(NormalFloat.values, derived) {
      #expect(abs(Double(value) - expected) < 2e-6, "\(value) against \(expected)")
    }
  }

  @Test(arguments: Shape.odd)
  func everyWeightTakesTheNearestValueOfItsBlock(shape: Shape) throws {
    let weight = Matrix.normal(rows: shape.rows, columns: shape.columns, seed: 21)
    for doubleQuantization in [false, true] {
      let stored = try quantized("nf4", weight) {
        $0.groupSize = shape.groupSize
        $0.doubleQuantization = doubleQuantization
      }
      let codebook = try stored.codebook()
      let scales = GroupScales(
        absmaxOf: weight, groupSize: codebook.groupSize,
        format: doubleQuantization ? .doubleQuantized : .float32,
        on: pool)
      let decoded = stored.decoded()
      for index in weight.values.indices {
        let scale = scales.values[
          index / weight.columns * codebook.groups + index % weight.columns / codebook.groupSize]
        let least = NormalFloat.values.map { abs($0 * scale - weight.values[index]) }.min()!
        #expect(abs(decoded.values[index] - weight.values[index]) <= least * 1.00001 + 1e-6)
      }
    }
  }

  @Test func theExtremeOfABlockAndItsZerosAreExact() throws {
    let weight = Matrix(rows: 1, columns: 6, values: [0, 0.1, -0.7, 0, 0, 0])
    let decoded = try quantized("nf4", weight) { $0.groupSize = 3 }.decoded()
    #expect(decoded[0, 2] == -0.7)
    for column in [0, 3, 4, 5] { #expect(decoded[0, column] == 0) }
  }

  @Test func anySizeOfWeightIsKept() throws {
    for scale: Float in [0x1p-132, 1e-30, 1e30] {
      let weight = Matrix.normal(rows: 2, columns: 64, seed: 3, scale: scale)
      for doubleQuantization in [false, true] {
        let stored = try quantized("nf4", weight) { $0.doubleQuantization = doubleQuantization }
        let largest = Double(weight.values.map(abs).max()!)
        for (a, b) in zip(weight.values, stored.decoded().values) {
          #expect(abs(Double(a) - Double(b)) < 0.2 * largest, "\(a) became \(b)")
        }
      }
    }
  }

  @Test func doubleQuantizationTakesTheScalesFromAHalfToAnEighthOfABit() throws {
    let weight = Matrix.normal(rows: 1024, columns: 256, seed: 14)
    let table = 16 * 4
    let codes = 1024 * 256 / 2
    let plain = try quantized("nf4", weight)
    #expect(plain.byteCount == codes + 4096 * 4 + table)
    let double = try quantized("nf4", weight) { $0.doubleQuantization = true }
    // A byte per scale, a float32 per 256 of them, and one mean.
    #expect(double.byteCount == codes + 4096 + 16 * 4 + 4 + table)
    let overhead = Double((4096 + 16 * 4) * 8) / Double(1024 * 256)
    #expect(abs(overhead - 0.127) < 0.0005)
    #expect(error(weight, double) < error(weight, plain) * 1.005)
  }

  @Test func doubleQuantizedScalesAreWithinHalfAStep() {
    var generator = SeededGenerator(seed: 15)
    for count in [1, 2, 255, 256, 257, 1000] {
      let scales = (0..<count).map { _ in abs(generator.normal()) + 0.5 }
      let decoded = DoubleQuantization(scales).decoded
      #expect(decoded.count == count)
      let largest = scales.max()! - scales.min()!
      for (a, b) in zip(scales, decoded) { #expect(abs(a - b) <= largest / 127 / 2 + 1e-6) }
    }
    #expect(DoubleQuantization([0.25, 0.25, 0.25]).decoded == [0.25, 0.25, 0.25])
    #expect(DoubleQuantization([0, 0]).decoded == [0, 0])
  }
}
