import PithTensors
import PithWeights
import Testing

@testable import PithTraining

/// Weights that are codes of values while they are trained.
struct LearnedTableTests {
  static let (rows, columns, groupSize) = (5, 17, 8)

  /// Codes of 3 bits: one table or one per row, scales in float16 or none.
  static func codebook(perRow: Bool, scales: Bool) -> Codebook {
    var generator = SeededGenerator(seed: 21)
    let tables = (0..<(perRow ? rows : 1)).flatMap { _ in
      (0..<8).map { (Float($0) - 3.5 + 0.6 * generator.uniform()) / 4 }.shuffled(using: &generator)
    }
    let codes = (0..<(rows * columns)).map { _ in UInt8(generator.uniform() * 8) }
    return Codebook(
      rows: rows, columns: columns, bits: 3, codes: Packing.pack(codes, rows: rows, bits: 3),
      tables: perRow ? CompositionTests.halves(tables) : Bytes(copying: tables), tablePerRow: perRow,
      groupSize: groupSize,
      scales: scales
        ? .float16(CompositionTests.halves((0..<(rows * 3)).map { _ in 0.5 + generator.uniform() })) : nil)
  }

  @Test(arguments: [false, true], [false, true]) func beginsAndEndsAsStored(perRow: Bool, scales: Bool) {
    let codebook = Self.codebook(perRow: perRow, scales: scales)
    let (table, stored) = (LearnedTable(codebook), StoredMatrix.codebook(codebook))
    let factors = table.factors(near: nil)
    #expect(table.weight(factors, on: nil) == stored.decoded())
    func bytes(_ matrix: StoredMatrix) -> [[UInt8]] { matrix.tensors.map { $0.bytes.array(of: UInt8.self) } }
    #expect(bytes(table.stored(factors)) == bytes(stored))
    // Whatever the weights were before, they begin with the same codes, and no farther from what they were.
    let original = CompositionTests.random(Self.rows, Self.columns, seed: 6)
    let near = table.factors(near: original)
    #expect(table.weight(near, on: nil) == stored.decoded() && bytes(table.stored(near)) == bytes(stored))
    func distance(_ a: Matrix) -> Float { zip(a.values, original.values).reduce(0) { $0 + abs($1.0 - $1.1) } }
    #expect(distance(near[1]) < distance(factors[1]))
    // What is stored after a change is what the model was trained with, and codes change.
    var generator = SeededGenerator(seed: 9)
    let moved = factors.map { factor in
      Matrix(
        rows: factor.rows, columns: factor.columns,
        values: factor.values.map { $0 * (0.6 + generator.uniform()) })
    }
    let pool = ThreadPool(threads: 2)
    #expect(table.weight(moved, on: pool) == table.stored(moved).decoded(on: pool))
    #expect(bytes(table.stored(moved))[0] != bytes(stored)[0])
  }

  /// Written down weight by weight.
  @Test(arguments: [false, true]) func gradientsGoStraightThrough(perRow: Bool) {
    let codebook = Self.codebook(perRow: perRow, scales: true)
    let table = LearnedTable(codebook)
    var factors = table.factors(near: nil)
    // Some lie beyond the ends of the table.
    factors[1] = Matrix(
      rows: Self.rows, columns: Self.columns,
      values: CompositionTests.random(Self.rows, Self.columns, seed: 4).values.map { 4 * $0 })
    let c = CompositionTests.random(Self.rows, Self.columns, seed: 5)
    var gradients = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    table.carryBack(c, factors, into: &gradients, on: ThreadPool(threads: 2))
    var alone = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    table.carryBack(c, factors, into: &alone, on: ThreadPool(threads: 1))
    #expect(gradients == alone)
    guard case .float16(let halves) = codebook.scales else { return }
    let scales = halves.array(of: UInt16.self).map { Half.decode($0) }
    var (values, shares) = (
      [Float](repeating: 0, count: factors[0].values.count), [Float](repeating: 0, count: 15)
    )
    var outside = 0
    for row in 0..<Self.rows {
      let own = Array(factors[0][row: perRow ? row : 0])
      let sorted = own.sorted()
      let ends = (1.5 * sorted[0] - 0.5 * sorted[1], 1.5 * sorted[7] - 0.5 * sorted[6])
      for column in 0..<Self.columns {
        let group = row * 3 + column / Self.groupSize
        let x = factors[1][row, column] / scales[group]
        let code = own.indices.min { abs(own[$0] - x) < abs(own[$1] - x) }!
        let isInside = x >= ends.0 && x <= ends.1
        if !isInside { outside += 1 }
        #expect(gradients[1][row, column] == (isInside ? c[row, column] : 0))
        values[(perRow ? row : 0) * 8 + code] += scales[group] * c[row, column]
        shares[group] += c[row, column] * (isInside ? own[code] - x : own[code]) * scales[group]
      }
    }
    #expect(outside > 0 && outside < Self.rows * Self.columns)
    #expect(zip(gradients[0].values, values).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(zip(gradients[2].values, shares).allSatisfy { abs($0 - $1) < 1e-4 })
  }
}
