import PithLinearAlgebra
import PithQuantization
import PithTensors
import Testing

@testable import PithSparsity

@Suite struct BlockSurgeonTests {
  /// A weight with its H, damped, and H⁻¹.
  private func problem(rows: Int, columns: Int, seed: UInt64) throws -> (
    weight: Matrix, h: SymmetricMatrix, inverse: SymmetricMatrix
  ) {
    let inputs = CorrelatedInputs(rows: rows, columns: columns, seed: seed)
    var h = SymmetricMatrix(inputs.statistics.hessian)
    let mean = (0..<columns).reduce(0) { $0 + h[$1, $1] } / Double(columns)
    for i in 0..<columns { h[i, i] += 0.01 * mean }
    return (inputs.weight, h, try #require(h.cholesky()).inverse())
  }

  /// tr(ΔW·H·ΔWᵀ)/2.
  private func loss(_ h: SymmetricMatrix, _ before: Matrix, _ after: Matrix) -> Double {
    (0..<before.rows).reduce(0) { sum, row in
      let change = (0..<h.size).map { Double(after[row, $0]) - Double(before[row, $0]) }
      return sum
        + change.indices.reduce(0) {
          $0 + change[$1] * zip(h.values[($1 * h.size)...], change).reduce(0) { $0 + $1.0 * $1.1 }
        }
        / 2
    }
  }

  /// The best matrix without some inputs, by the normal equations of the others: W_K = W·H_:,K·H_KK⁻¹.
  private func best(_ h: SymmetricMatrix, _ weight: Matrix, without gone: [Int]) throws -> Matrix {
    let left = (0..<h.size).filter { !gone.contains($0) }
    let factor = try #require(
      SymmetricMatrix(size: left.count, values: left.flatMap { i in left.map { h[i, $0] } }).cholesky())
    var result = Matrix(rows: weight.rows, columns: weight.columns)
    for row in 0..<weight.rows {
      let right = left.map { i in (0..<h.size).reduce(0) { $0 + h[i, $1] * Double(weight[row, $1]) } }
      for (column, value) in zip(left, factor.solve(right)) { result[row, column] = Float(value) }
    }
    return result
  }

  @Test(arguments: [
    (1, 5, [3..<4]), (4, 12, [2..<5]), (3, 16, [8..<12, 0..<4]), (6, 9, [0..<1, 8..<9, 4..<5]),
  ])
  func lossesAreThoseOfTheBestMatrixThatIsLeft(rows: Int, columns: Int, blocks: [Range<Int>]) throws {
    let (weight, h, inverse) = try problem(rows: rows, columns: columns, seed: UInt64(columns))
    var surgeon = BlockSurgeon(weight, inverse: inverse)
    var (gone, predicted): ([Int], Double) = ([], 0)
    for block in blocks {
      predicted += surgeon.loss(of: block)
      surgeon.remove(block, on: CorrelatedInputs.pool)
      gone += block
      let left = BlockSurgeon.compensated(weight, without: gone, inverse: inverse)
      let exact = loss(h, weight, try best(h, weight, without: gone))
      #expect(abs(loss(h, weight, left) - exact) < 1e-4 * exact)
      #expect(abs(predicted - exact) < 1e-4 * exact, "\(predicted) for \(exact)")
      #expect(left.values.indices.allSatisfy { !gone.contains($0 % columns) || left.values[$0] == 0 })
    }
  }

  /// One row and one column at a time is OBS.
  @Test func withBlocksOfOneItIsOptimalBrainSurgeon() throws {
    let (weight, _, inverse) = try problem(rows: 1, columns: 14, seed: 7)
    var blocks = BlockSurgeon(weight, inverse: inverse)
    var single = OptimalBrainSurgeon(weight.values.map(Double.init), inverse: inverse)
    var left = Array(0..<14)
    for _ in 0..<13 {
      let removed = single.removeLeast()
      let expected = try #require(removed)
      let losses = left.map { blocks.loss(of: $0..<($0 + 1)) }
      let chosen = left.remove(at: blocks.removeLeast(of: left.map { $0..<($0 + 1) }))
      #expect(chosen == expected.weight)
      #expect(abs(losses.min()! - expected.loss) < 1e-3 * expected.loss)
    }
  }

  @Test func magnitudesStayWhatTheyAre() {
    var score = BlockMagnitude(squares: [4, 1, 2, 3])
    #expect(score.loss(of: 1..<3) == 3)
    #expect(score.removeLeast(of: [0..<2, 2..<4]) == 0)
    #expect(score.removeLeast(of: [0..<1, 1..<2]) == 1)
  }
}
