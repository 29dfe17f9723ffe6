import PithTensors
import PithWeights
import Testing

@testable import PithTraining

/// Weights that are sums of codewords while they are trained.
struct LearnedCodewordsTests {
  static let (rows, columns) = (6, 17)

  /// Runs of 3, the last one cut off, in two sets of codebooks of 4 codewords.
  static func vectors(books: Int, scales: Bool) -> VectorCodebook {
    let layout = VectorCodebook.Layout(dimension: 3, codebooks: books, bits: 2, sets: 2)
    var generator = SeededGenerator(seed: 24)
    let codes = (0..<(rows * layout.codesPerRow(columns))).map { _ in UInt16(generator.uniform() * 4) }
    let words = CompositionTests.random(1, layout.tableShape.reduce(1, *), seed: 25).values
    return VectorCodebook(
      rows: rows, columns: columns, layout: layout, codes: Packing.pack(codes, rows: rows, bits: 2),
      tables: CompositionTests.halves(words),
      scales: scales ? CompositionTests.halves((0..<rows).map { 0.5 + Float($0) / 4 }) : nil)
  }

  private static func bytes(_ matrix: StoredMatrix) -> [[UInt8]] {
    matrix.tensors.map { $0.bytes.array(of: UInt8.self) }
  }

  @Test(arguments: [1, 2], [false, true]) func beginsAndEndsAsStored(books: Int, scales: Bool) {
    let pool = ThreadPool(threads: 2)
    let vectors = Self.vectors(books: books, scales: scales)
    let (learned, stored) = (LearnedCodewords(vectors), StoredMatrix.vectors(vectors))
    let factors = learned.factors(near: nil, on: nil)
    #expect(learned.weight(factors, on: pool) == stored.decoded())
    #expect(Self.bytes(learned.stored(factors, on: nil)) == Self.bytes(stored))
    // Whatever the weights were before, they begin with the same codes, and no farther from what they were.
    let original = CompositionTests.random(Self.rows, Self.columns, seed: 6)
    let near = learned.factors(near: original, on: pool)
    #expect(Self.bytes(learned.stored(near, on: nil)) == Self.bytes(stored))
    func distance(_ a: Matrix) -> Float { zip(a.values, original.values).reduce(0) { $0 + abs($1.0 - $1.1) } }
    #expect(distance(near[1]) < distance(factors[1]))
    // What is stored after a change is what the model was trained with, and codes change.
    var generator = SeededGenerator(seed: 9)
    let moved = factors.map { factor in
      Matrix(
        rows: factor.rows, columns: factor.columns,
        values: factor.values.map { $0 * (0.4 + 1.2 * generator.uniform()) })
    }
    #expect(learned.weight(moved, on: pool) == learned.stored(moved, on: nil).decoded(on: pool))
    #expect(Self.bytes(learned.stored(moved, on: nil))[0] != Self.bytes(stored)[0])
  }

  /// Written down weight by weight.
  @Test(arguments: [1, 2], [false, true]) func gradientsGoStraightThrough(books: Int, scales: Bool) {
    let vectors = Self.vectors(books: books, scales: scales)
    let learned = LearnedCodewords(vectors)
    var factors = learned.factors(near: nil, on: nil)
    factors[1] = CompositionTests.random(Self.rows, Self.columns, seed: 4)
    let c = CompositionTests.random(Self.rows, Self.columns, seed: 5)
    var gradients = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    learned.carryBack(c, factors, into: &gradients, on: ThreadPool(threads: 2))
    var alone = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    learned.carryBack(c, factors, into: &alone, on: ThreadPool(threads: 1))
    #expect(gradients == alone && gradients[1] == c)
    guard case .vectors(let chosen) = learned.stored(factors, on: nil) else {
      Issue.record("no vectors")
      return
    }
    let layout = vectors.layout
    let codes = Packing.unpack(
      chosen.codes, rows: Self.rows, columns: layout.codesPerRow(Self.columns), bits: 2, as: UInt16.self)
    var words = [Float](repeating: 0, count: factors[0].values.count)
    var shares = [Float](repeating: 0, count: Self.rows)
    for row in 0..<Self.rows {
      let scale = scales ? 0.5 + Float(row) / 4 : 1
      for column in 0..<Self.columns {
        let (run, component) = (column / 3, column % 3)
        var value: Float = 0
        for book in 0..<books {
          let word = (run % 2 * books + book) * 4 + Int(codes[(row * 6 + run) * books + book])
          value += factors[0][word, component]
          words[word * 3 + component] += scale * c[row, column]
        }
        shares[row] += scale * c[row, column] * (value - factors[1][row, column] / scale)
      }
    }
    #expect(zip(gradients[0].values, words).allSatisfy { abs($0 - $1) < 1e-4 })
    if scales { #expect(zip(gradients[2].values, shares).allSatisfy { abs($0 - $1) < 1e-4 }) }
  }

  /// Behind a transform, what is learned is what stands behind it.
  @Test func aTransformStaysBeforeThem() throws {
    let pool = ThreadPool(threads: 2)
    let scales = (0..<Self.columns).map { 0.5 + Float($0 % 3) }
    let matrix = StoredMatrix.transformed(
      Transformed(.scale(CompositionTests.halves(scales)), .vectors(Self.vectors(books: 2, scales: true))))
    let (composition, factors) = try #require(Composition.of(matrix, on: pool))
    let weight = composition.weight(factors, rows: Self.rows, columns: Self.columns, on: pool)
    #expect(zip(weight.values, matrix.decoded().values).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(Self.bytes(composition.stored(factors, on: pool)) == Self.bytes(matrix))
    // A row of the whole is a row of what stands behind, column by column times the scales.
    let c = CompositionTests.random(Self.rows, Self.columns, seed: 5)
    var gradients = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    composition.carryBack(c, factors, into: &gradients, on: pool)
    for row in 0..<Self.rows {
      for column in 0..<Self.columns {
        #expect(abs(gradients[1][row, column] - c[row, column] * scales[column]) < 1e-5)
      }
    }
  }
}
