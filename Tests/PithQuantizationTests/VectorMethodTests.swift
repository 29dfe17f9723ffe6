import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

/// The vector methods on weights.
@Suite struct VectorMethodTests {
  static let names = ["vq", "pq", "opq", "aq", "lsq"]

  private func layerLoss(
    _ name: String, _ weight: Matrix, _ seen: InputStatistics, _ change: (inout MethodOptions) -> Void
  ) throws -> Double {
    let stored = try quantized(name, weight, seen, change)
    return seen.relativeLoss(of: stored.decoded(), to: weight)
  }

  private func quantized(
    _ name: String, _ weight: Matrix, _ seen: InputStatistics?, _ change: (inout MethodOptions) -> Void
  ) throws -> StoredMatrix {
    let method = try #require(CompressionMethod.named(name))
    var options = method.defaults
    options.bits = 6
    change(&options)
    return try method.quantize(weight, seen, options: options, on: pool).matrix
  }

  @Test(arguments: names) func theLayerLossFallsWithTheMetricThatKnowsMore(name: String) throws {
    let weight = Matrix.normal(rows: 128, columns: 96, seed: 1)
    let seen = InputStatistics.correlated(columns: 96, seed: 2)
    let losses = try [QuantizationLoss.plain, .diagonal, .layer].map { loss in
      try layerLoss(name, weight, seen) { $0.loss = loss }
    }
    #expect(losses[1] < losses[0] && losses[2] < 0.9 * losses[1], "\(losses)")
  }

  @Test(arguments: names) func moreRoundsDoNotHurt(name: String) throws {
    let weight = Matrix.normal(rows: 96, columns: 64, seed: 3)
    let seen = InputStatistics.correlated(columns: 64, seed: 4)
    let losses = try [1, 4, 12].map { rounds in
      try layerLoss(name, weight, seen) { $0.iterations = rounds }
    }
    #expect(losses[1] < losses[0] && losses[2] < losses[1] * 1.01, "\(losses)")
  }

  @Test func twoCodebooksOnTheLayerLossBeatRoundingAtTwoBits() throws {
    let weight = Matrix.normal(rows: 512, columns: 128, seed: 5)
    let seen = InputStatistics.correlated(columns: 128, seed: 6)
    let loss = try layerLoss("aq", weight, seen) { $0.bits = 8 }
    let rounding = try #require(CompressionMethod.named("rtn"))
    var options = rounding.defaults
    options.bits = 2
    let rounded = try rounding.quantize(weight, options: options, on: pool).matrix.decoded()
    #expect(loss < 0.25 * seen.relativeLoss(of: rounded, to: weight))
  }

  @Test func everyByteOfTheStorageIsCounted() throws {
    let weight = Matrix.normal(rows: 64, columns: 40, seed: 7)
    func bytes(_ name: String, _ change: (inout MethodOptions) -> Void) throws -> Int {
      try quantized(name, weight, nil, change).byteCount
    }
    // Codes, codewords of float16, and a float16 scale per row.
    #expect(try bytes("vq") { $0.dimension = 4 } == 64 * 8 + 64 * 4 * 2 + 64 * 2)
    #expect(
      try bytes("aq") {
        $0.dimension = 8
        $0.codebooks = 2
      } == 64 * 8 + 2 * 64 * 8 * 2 + 64 * 2)
    #expect(
      try bytes("pq") {
        $0.dimension = 4
        $0.codebooks = 5
      } == 64 * 8 + 5 * 64 * 4 * 2 + 64 * 2)
    // Its rotation is 20 × 20.
    #expect(
      try bytes("opq") {
        $0.dimension = 4
        $0.codebooks = 5
      } == 64 * 8 + 5 * 64 * 4 * 2 + 64 * 2 + 20 * 20 * 2)
  }

  @Test(arguments: names) func weightsOfZeroStayZero(name: String) throws {
    let weight = Matrix(rows: 4, columns: 24)
    #expect(try quantized(name, weight, nil) { $0.bits = 2 }.decoded() == weight)
    let seen = InputStatistics.correlated(columns: 24, seed: 6)
    #expect(try quantized(name, weight, seen) { $0.bits = 2 }.decoded() == weight)
  }

  @Test(arguments: names) func columnsThatWereNeverSeenAreNoted(name: String) throws {
    let weight = Matrix.normal(rows: 8, columns: 24, seed: 8)
    var seen = InputStatistics.correlated(columns: 24, seed: 9)
    for column in 0..<24 {
      seen.hessian[5, column] = 0
      seen.hessian[column, 5] = 0
    }
    let method = try #require(CompressionMethod.named(name))
    var options = method.defaults
    options.bits = 3
    #expect(try method.quantize(weight, seen, options: options, on: pool).notes == [.deadColumns(1)])
    options.loss = .plain
    #expect(try method.quantize(weight, seen, options: options, on: pool).notes == [])
  }

  @Test(arguments: names) func optionsOfVectorsAreChecked(name: String) throws {
    let method = try #require(CompressionMethod.named(name))
    func check(_ change: (inout MethodOptions) -> Void) throws {
      var options = method.defaults
      change(&options)
      try method.check(options)
    }
    #expect(throws: MethodError.range(.dimension, 0, allowed: 1...1024)) {
      try check { $0.dimension = 0 }
    }
    #expect(throws: MethodError.range(.iterations, 0, allowed: 1...1000)) {
      try check { $0.iterations = 0 }
    }
    #expect(throws: MethodError.unusedOption(.groupSize, method: name)) {
      try check { $0.groupSize = 8 }
    }
    if name != "vq" {
      #expect(throws: MethodError.range(.codebooks, 17, allowed: 1...16)) {
        try check { $0.codebooks = 17 }
      }
    }
  }

  @Test func aWeightTooLargeForFloat16IsNamed() {
    var weight = Matrix.normal(rows: 3, columns: 8, seed: 10)
    weight[1, 5] = 1e6
    #expect(throws: MethodError.valueTooLarge(row: 1, column: 5)) {
      try quantized("aq", weight, nil) { _ in }
    }
  }

  /// A few columns matter a thousand times more, and their weights are small.
  private static func unequal() -> (Matrix, InputStatistics) {
    var weight = Matrix.normal(rows: 32, columns: 64, seed: 11)
    var seen = InputStatistics.correlated(columns: 64, seed: 12)
    for column in 0..<8 {
      for row in 0..<32 { weight[row, column] *= 0.1 }
      for other in 0..<64 { seen.hessian[column, other] *= 1000 }
    }
    return (weight, seen)
  }

  @Test func kMeansCountsColumnsByTheirInputs() throws {
    let (weight, seen) = Self.unequal()
    let method = try #require(CompressionMethod.named("kmeans"))
    for groupSize in [nil, 16] {
      var options = method.defaults
      options.groupSize = groupSize
      options.bits = 3
      func error(_ loss: QuantizationLoss) throws -> Double {
        options.loss = loss
        let stored = try method.quantize(weight, seen, options: options, on: pool).matrix
        return LossMetric(.diagonal, seen.hessian, columns: 64).loss(weight.subtracting(stored.decoded()))
      }
      let (plain, diagonal) = (try error(.plain), try error(.diagonal))
      #expect(diagonal < plain, "\(diagonal) against \(plain), groups of \(groupSize ?? 0)")
    }
    var options = method.defaults
    options.loss = .layer
    #expect(throws: MethodError.loss(.layer, method: "kmeans")) { try method.check(options) }
  }

  @Test func percentilesShareOutWhatColumnsCount() throws {
    let (weight, seen) = Self.unequal()
    let method = try #require(CompressionMethod.named("percentile"))
    var options = method.defaults
    options.groupSize = nil
    options.bits = 3
    options.loss = .diagonal
    let stored = try method.quantize(weight, seen, options: options, on: pool).matrix.codebook()
    let diagonal = LossMetric(.diagonal, seen.hessian, columns: 64).diagonal
    var masses = [Float](repeating: 0, count: 8)
    for (index, code) in stored.unpacked.enumerated() { masses[Int(code)] += diagonal[index % 64] }
    let whole = masses.reduce(0, +)
    for mass in masses { #expect(abs(mass / whole - 1.0 / 8) < 0.04, "\(masses)") }
  }
}
