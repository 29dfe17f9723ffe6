import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct PercentileTests {
  @Test(arguments: 1...8)
  func eachCodeIsUsedEquallyOften(bits: Int) throws {
    let weight = Matrix.normal(rows: 3, columns: 1001, seed: 2)
    let stored = try quantized("percentile", weight) {
      $0 = MethodOptions(bits: bits, tablePerRow: true)
    }
    let codes = try stored.codebook().unpacked
    for row in 0..<3 {
      var counts = [Int](repeating: 0, count: 1 << bits)
      for column in 0..<1001 { counts[Int(codes[row * 1001 + column])] += 1 }
      let share = 1001 >> bits
      #expect(counts.allSatisfy { $0 == share || $0 == share + 1 }, "\(counts)")
    }
  }

  @Test func oneTableIsUsedEquallyOftenOverTheScaledMatrix() throws {
    let weight = Matrix.normal(rows: 16, columns: 100, seed: 2)
    let codes = try quantized("percentile", weight) { $0.groupSize = 50 }.codebook().unpacked
    var counts = [Int](repeating: 0, count: 16)
    for code in codes { counts[Int(code)] += 1 }
    // The largest of each group are equal once scaled, ±1, and stay together in the outermost codes.
    #expect(counts.allSatisfy { abs($0 - 100) <= 32 } && counts[1..<14].allSatisfy { $0 == 100 }, "\(counts)")
  }

  @Test func anExampleByHand() throws {
    // Four parts of two: medians 1.5, 3.5, 6, 50.
    let weight = Matrix(rows: 1, columns: 8, values: [8, 1, 92, 3, 2, 4, 7, 5])
    let stored = try quantized("percentile", weight) { $0 = MethodOptions(bits: 2) }
    #expect(stored.decoded().values == [50, 1.5, 50, 3.5, 1.5, 3.5, 6, 6])
  }

  @Test func equalWeightsShareACodeAndDecodeToThemselves() throws {
    var weight = Matrix.normal(rows: 1, columns: 64, seed: 5)
    for column in 0..<40 { weight[0, column] = 0 }
    let decoded = try quantized("percentile", weight) { $0 = MethodOptions(bits: 3) }.decoded()
    for column in 0..<40 { #expect(decoded[0, column] == 0) }
  }
}
