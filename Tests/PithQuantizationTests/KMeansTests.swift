import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct KMeansTests {
  @Test(arguments: [Float(0), 0.5]) func aLargeWeightOfOneValueStaysExact(value: Float) throws {
    let weight = Matrix(rows: 64, columns: 512, values: [Float](repeating: value, count: 64 * 512))
    #expect(try quantized("kmeans", weight).decoded() == weight)
    #expect(try quantized("kmeans", weight) { $0.groupSize = nil }.decoded() == weight)
  }

  /// The least Σ mass · distance² over all partitions of sorted points, by trying each of them.
  private func leastError(_ points: ArraySlice<Point>, parts: Int) -> Double {
    if parts == 1 || points.count <= 1 {
      let mass = points.reduce(0) { $0 + $1.mass }
      let mean = points.reduce(0) { $0 + $1.mass * $1.value } / max(mass, .leastNormalMagnitude)
      return points.reduce(0) { $0 + $1.mass * ($1.value - mean) * ($1.value - mean) }
    }
    return (points.startIndex + 1...points.endIndex).map { end in
      leastError(points[..<end], parts: 1) + leastError(points[end...], parts: parts - 1)
    }.min()!
  }

  @Test(arguments: 1...13, [1, 2, 3, 4])
  func thePartitionIsTheOptimumOfBruteForce(count: Int, parts: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let masses: [Double] = seed % 2 == 0 ? [1] : [0.25, 1, 9]
      // Coarse values, so that some are equal.
      let points = (0..<count).map { _ in
        Point(
          value: Double((generator.normal() * 4).rounded()) / 4 + 100,
          mass: masses.randomElement(using: &generator)!)
      }.sorted { $0.value < $1.value }
      let means = OptimalPartition.means(of: points, parts: parts)
      #expect(zip(means, means.dropFirst()).allSatisfy(<) && means.count <= parts)
      let error = points.reduce(0) { sum, point in
        sum + point.mass * means.map { (Double($0) - point.value) * (Double($0) - point.value) }.min()!
      }
      let least = leastError(points[...], parts: parts)
      #expect(error <= least + 1e-8, "\(error) against \(least)")
    }
  }

  @Test func anExampleByHand() throws {
    let weight = Matrix(rows: 1, columns: 5, values: [10, 1, 2, 12, 3])
    let stored = try quantized("kmeans", weight) { $0 = MethodOptions(bits: 1) }
    #expect(stored.decoded().values == [11, 2, 2, 11, 2])
  }

  @Test func heavierGroupsPullTheSharedTable() throws {
    // Scaled by 100 and by 1, both rows are the same points; the error of the first counts 10 000-fold.
    var weight = Matrix.normal(rows: 2, columns: 64, seed: 3)
    for column in 0..<64 { weight[0, column] *= 100 }
    let first = Matrix(rows: 1, columns: 64, values: Array(weight[row: 0]))
    let both = try quantized("kmeans", weight) { $0.bits = 3 }
    let alone = try quantized("kmeans", first) { $0.bits = 3 }
    let errorOfFirst = zip(weight[row: 0], both.decoded()[row: 0]).reduce(0.0) {
      $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1))
    }
    #expect(errorOfFirst <= error(first, alone) * 1.01)
  }

  @Test(arguments: Shape.odd, 1...8)
  func kMeansNeverLosesToPercentiles(shape: Shape, bits: Int) throws {
    for scale: Float in [1e-7, 1] {
      for tablePerRow in [true, false] {
        let weight = Matrix.normal(rows: shape.rows, columns: shape.columns, seed: 31, scale: scale)
        let options = MethodOptions(bits: bits, groupSize: shape.groupSize, tablePerRow: tablePerRow)
        let best = error(weight, try quantized("kmeans", weight) { $0 = options })
        let quantiles = error(weight, try quantized("percentile", weight) { $0 = options })
        let norm = weight.values.reduce(0.0) { $0 + Double($1 * $1) }
        #expect(best <= quantiles * 1.000001 + 1e-13 * norm, "\(best) against \(quantiles)")
      }
    }
  }

  @Test func aMatrixAboveTheExactLimitIsAsGoodAsTheExactOptimum() {
    let weight = Matrix.normal(rows: 1, columns: 2 * KMeans.exactLimit, seed: 9)
    let samples = Samples(weight, rows: 0..<1, scales: nil, diagonal: nil)
    let points = samples.values.sorted().map { Point(value: Double($0), mass: 1) }
    let exact = CodeTable(nearest: OptimalPartition.means(of: points, parts: 16))
    let binned = KMeans.table(for: samples, bits: 4, halfPrecision: false)
    func error(_ table: CodeTable) -> Double {
      points.reduce(0.0) { sum, point in
        sum + table.values.map { (Double($0) - point.value) * (Double($0) - point.value) }.min()!
      }
    }
    #expect(error(binned) <= error(exact) * 1.0001)
  }

  @Test func normalWeightsReachTheLloydMaxError() throws {
    // Max, Quantizing for minimum distortion, 1960, table I: 16 levels leave 0.009497 of the variance.
    let weight = Matrix.normal(rows: 128, columns: 512, seed: 12)
    let stored = try quantized("kmeans", weight) { $0.groupSize = nil }
    let relative = error(weight, stored) / weight.values.reduce(0.0) { $0 + Double($1 * $1) }
    #expect(abs(relative - 0.009497) < 0.0002, "\(relative)")
  }

  @Test func fewDistinctWeightsDecodeExactly() throws {
    let values: [Float] = [-2, 0, 0.5, 7]
    let weight = Matrix(rows: 3, columns: 40, values: (0..<120).map { values[$0 * 7 % 4] })
    for tablePerRow in [false, true] {
      let stored = try quantized("kmeans", weight) {
        $0 = MethodOptions(bits: 3, tablePerRow: tablePerRow)
      }
      #expect(stored.decoded() == weight)
    }
  }

  @Test func bitsPerWeightCountTheTables() throws {
    let weight = Matrix.normal(rows: 64, columns: 576, seed: 13)
    let perRow = try quantized("kmeans", weight) { $0 = MethodOptions(bits: 4, tablePerRow: true) }
    let tableBytes = 64 * 16 * 2
    let codeBytes = 64 * 576 / 2
    #expect(perRow.byteCount == codeBytes + tableBytes)
    let shared = try quantized("kmeans", weight)
    let scaleBytes = 64 * 9 * 2
    #expect(shared.byteCount == codeBytes + scaleBytes + 16 * 4)
  }

  @Test func valuesThatFloat16CannotHoldAreRefused() {
    let weight = Matrix(rows: 2, columns: 2, values: [1, 2, 3, 1e6])
    #expect(throws: MethodError.tooLarge(row: 1, column: 0)) {
      try quantized("kmeans", weight) { $0 = MethodOptions(bits: 1, tablePerRow: true) }
    }
    #expect(throws: MethodError.tooLarge(row: 1, column: 1)) {
      try quantized("percentile", weight) { $0 = MethodOptions(bits: 1, groupSize: 1) }
    }
  }
}
