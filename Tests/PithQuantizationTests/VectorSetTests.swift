import PithLinearAlgebra
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

/// The methods on vectors of any kind.
@Suite struct VectorSetTests {
  /// Vectors that lie near a subspace: x = A·z + noise, with 5 normal z that differ in size.
  static func vectors(_ count: Int, columns: Int, seed: UInt64, map: UInt64 = 7) -> Matrix {
    let rank = 5
    let spread = Matrix.normal(rows: rank, columns: columns, seed: map)
    var hidden = Matrix.normal(rows: count, columns: rank, seed: seed)
    for index in hidden.values.indices { hidden.values[index] *= 2 / Float(1 + index % rank) }
    let noise = Matrix.normal(rows: count, columns: columns, seed: seed + 1000, scale: 0.3)
    var x = hidden.times(spread)
    for index in x.values.indices { x.values[index] += noise.values[index] }
    return x
  }

  /// Σ(x − x̂)² relative to Σx².
  static func relativeError(_ x: Matrix, _ decoded: Matrix) -> Double {
    let plain = LossMetric.plain(columns: x.columns)
    return plain.loss(x.subtracting(decoded)) / plain.loss(x)
  }

  @Test func atEqualBitsEachMethodBeatsTheSimplerOne() throws {
    // 16 bits for 16 components: four codes of 4 bits.
    var errors = [String: Double]()
    let seeds: [UInt64] = [1, 2, 3]
    for seed in seeds {
      let train = Self.vectors(4000, columns: 16, seed: seed * 10)
      let test = Self.vectors(1000, columns: 16, seed: seed * 10 + 5)
      func add(_ name: String, _ decoded: Matrix, to x: Matrix) {
        errors[name, default: 0] += Self.relativeError(x, decoded) / Double(seeds.count)
      }
      let scalar = CodeTable(
        nearest: KMeans.table(
          for: Samples(train, rows: 0..<train.rows, scales: nil, diagonal: nil), bits: 1, halfPrecision: false
        ).values)
      add(
        "scalar",
        Matrix(
          rows: test.rows, columns: 16,
          values: test.values.map { value in
            scalar.values.min { abs($0 - value) < abs($1 - value) }!
          }), to: test)
      let pq = ProductQuantization.fit(columns: 16, subspaces: 4, bits: 4, iterations: 20, seed: seed)
      add("pq", pq.decoded(test, fittedTo: train), to: test)
      let opq = OptimizedProductQuantization(fit: pq, columns: 16, iterations: 40)
      let rotation = opq.rotation(for: train, on: pool).matrix
      let rotatedTrain = train.times(rotation, otherTransposed: true)
      let rotatedTest = test.times(rotation, otherTransposed: true)
      add("opq", pq.decoded(rotatedTest, fittedTo: rotatedTrain), to: rotatedTest)
      let aq = AdditiveQuantization.fit(columns: 16, codebooks: 4, bits: 4, iterations: 20, seed: seed)
      add("aq", aq.decoded(test, fittedTo: train), to: test)
      let lsq = LocalSearchQuantization.fit(columns: 16, codebooks: 4, bits: 4, iterations: 20, seed: seed)
      add("lsq", lsq.decoded(test, fittedTo: train), to: test)
    }
    let order = ["lsq", "aq", "opq", "pq", "scalar"].map { errors[$0]! }
    for (better, worse) in zip(order, order.dropFirst()) { #expect(better <= worse, "\(errors)") }
  }

  @Test(arguments: [1, 2, 3])
  func theRotationNeverRaisesTheError(seed: UInt64) {
    let x = Self.vectors(1500, columns: 24, seed: seed)
    let pq = ProductQuantization.fit(columns: 24, subspaces: 6, bits: 4, iterations: 4, seed: seed)
    let opq = OptimizedProductQuantization(fit: pq, columns: 24, iterations: 25)
    let rotation = opq.rotation(for: x, on: pool)
    for (before, after) in zip(rotation.errors, rotation.errors.dropFirst()) {
      #expect(after <= before * (1 + 1e-5), "\(rotation.errors)")
    }
    #expect(rotation.errors.last! < 0.99 * rotation.errors[0])
    let gram = rotation.matrix.times(rotation.matrix, otherTransposed: true)
    for i in 0..<24 { for j in 0..<24 { #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 1e-4) } }
  }

  @Test func kMeansFindsClustersThatLieApart() {
    let centers = Matrix.normal(rows: 16, columns: 6, seed: 3, scale: 10)
    let noise = Matrix.normal(rows: 800, columns: 6, seed: 4, scale: 0.01)
    var x = noise
    for row in 0..<800 { for j in 0..<6 { x[row, j] += centers[row % 16, j] } }
    let vectors = WeightedVectors(
      dimension: 6, values: x.values, masses: [Float](repeating: 1, count: 800),
      weights: [[Float](repeating: 1, count: 6)])
    let kmeans = VectorKMeans(codes: 16, iterations: 30, seed: 1)
    let error = kmeans.nearest(vectors, kmeans.fit(vectors, on: pool), on: pool).errors.reduce(0, +)
    #expect(error < 800 * 6 * 1.1e-4, "\(error)")
  }

  @Test func aCodewordThatNobodyTakesStartsAnew() {
    // 32 codewords for 32 points, one of them a thousand times: draws that meet it again leave codewords empty.
    let points = Matrix.normal(rows: 32, columns: 3, seed: 5)
    let values = (0..<1031).flatMap { Array(points[row: max(0, $0 - 999)]) }
    let vectors = WeightedVectors(
      dimension: 3, values: values, masses: [Float](repeating: 1, count: 1031),
      weights: [[1, 1, 1]])
    let kmeans = VectorKMeans(codes: 32, iterations: 60, seed: 2)
    let (codes, errors) = kmeans.nearest(vectors, kmeans.fit(vectors, on: pool), on: pool)
    #expect(Set(codes).count == 32)
    #expect(errors.reduce(0, +) < 1e-5)
  }

  @Test func weightsDecideWhichErrorsCount() {
    // Two codewords, and two components that each have two values: the one that counts is kept.
    let x = Matrix(rows: 4, columns: 2, values: [0, 0, 0, 1, 1, 0, 1, 1])
    for (weights, kept) in [([Float(9), 1], 0), ([Float(1), 9], 1)] {
      let vectors = WeightedVectors(
        dimension: 2, values: x.values, masses: [1, 1, 1, 1], weights: [weights])
      let codewords = VectorKMeans(codes: 2, iterations: 20, seed: 1).fit(vectors, on: pool)
      #expect(Set([codewords[kept], codewords[2 + kept]]) == [0, 1])
      #expect(codewords[1 - kept] == 0.5 && codewords[3 - kept] == 0.5)
    }
  }
}

extension VectorFit {
  /// What some vectors become in codebooks fitted to others.
  fileprivate func decoded(_ test: Matrix, fittedTo train: Matrix) -> Matrix {
    let tables = fitted(to: train, .plain(columns: train.columns), isScaled: false, on: pool).tables
    return encoded(test, tables, on: pool).decoded(on: pool)
  }
}
