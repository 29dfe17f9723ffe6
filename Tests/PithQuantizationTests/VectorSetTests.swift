import Foundation
import PithLinearAlgebra
import PithTensors
import PithTestSupport
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

  /// The errors of each method on test vectors, all with `books` codes of `bits` bits a vector.
  private func errors(
    _ train: Matrix, _ test: Matrix, books: Int, bits: Int, seed: UInt64
  ) -> [String: Double] {
    let columns = train.columns
    let pq = ProductQuantization.fit(
      columns: columns, subspaces: books, bits: bits, iterations: 20, seed: seed)
    let opq = OptimizedProductQuantization(fit: pq, columns: columns, iterations: 40)
    let rotation = opq.rotation(for: train, on: pool).matrix
    let rotatedTrain = train.times(rotation, otherTransposed: true)
    let rotatedTest = test.times(rotation, otherTransposed: true)
    let aq = AdditiveQuantization.fit(
      columns: columns, codebooks: books, bits: bits, iterations: 20, seed: seed)
    let lsq = LocalSearchQuantization.fit(
      columns: columns, codebooks: books, bits: bits, iterations: 20, seed: seed)
    return [
      "scalar": Self.relativeError(test, Self.oneBit(test, count: books * bits, fittedTo: train)),
      "pq": Self.relativeError(test, pq.decoded(test, fittedTo: train)),
      "opq": Self.relativeError(rotatedTest, pq.decoded(rotatedTest, fittedTo: rotatedTrain)),
      "aq": Self.relativeError(test, aq.decoded(test, fittedTo: train)),
      "lsq": Self.relativeError(test, lsq.decoded(test, fittedTo: train)),
    ]
  }

  /// One bit, by k-means, for each of the `count` components that vary most; the others are their means.
  private static func oneBit(_ test: Matrix, count: Int, fittedTo train: Matrix) -> Matrix {
    let columns = (0..<train.columns).map { column in
      let values = (0..<train.rows).map { train[$0, column] }
      let mean = values.reduce(0, +) / Float(train.rows)
      return (mean: mean, variance: values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }, values: values)
    }
    let chosen = columns.indices.sorted { columns[$0].variance > columns[$1].variance }.prefix(count)
    let tables = columns.indices.map { column -> [Float] in
      guard chosen.contains(column) else { return [columns[column].mean] }
      let own = Matrix(rows: train.rows, columns: 1, values: columns[column].values)
      let samples = Samples(own, rows: 0..<own.rows, scales: nil, diagonal: nil)
      return KMeans.table(for: samples, bits: 1, halfPrecision: false).values
    }
    return Matrix(
      rows: test.rows, columns: test.columns,
      values: test.values.enumerated().map { index, value in
        tables[index % test.columns].min { abs($0 - value) < abs($1 - value) }!
      })
  }

  private func checkOrder(_ runs: [[String: Double]]) {
    let order = ["lsq", "aq", "opq", "pq", "scalar"].map { name in runs.reduce(0) { $0 + $1[name]! } }
    for (better, worse) in zip(order, order.dropFirst()) { #expect(better <= worse, "\(runs)") }
  }

  @Test func atEqualBitsEachMethodBeatsTheSimplerOne() throws {
    checkOrder(
      [1, 2, 3].map { seed in
        errors(
          Self.vectors(4000, columns: 16, seed: seed * 10),
          Self.vectors(1000, columns: 16, seed: seed * 10 + 5),
          books: 4, bits: 4, seed: seed)
      })
  }

  /// Vectors that a sentence encoder makes of sentences: `Tools/make_embedding_fixture.py`.
  private static func embeddings(_ split: String) throws -> Matrix {
    let data = try Data(contentsOf: URL(filePath: Fixtures.path("embeddings/\(split).f16")))
    let halves = data.withUnsafeBytes { bytes in
      (0..<bytes.count / 2).map { bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self) }
    }
    return Matrix(
      rows: halves.count / 384, columns: 384, values: halves.map { Half.decode(.init(littleEndian: $0)) })
  }

  @Test func onEmbeddingsOfSentencesTheOrderIsTheSame() throws {
    let (train, test) = try (Self.embeddings("train"), Self.embeddings("test"))
    checkOrder([1, 2].map { errors(train, test, books: 8, bits: 3, seed: $0) })
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
