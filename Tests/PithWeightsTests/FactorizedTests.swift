import PithTensors
import Testing

@testable import PithWeights

/// Products of matrices and tensor trains against their definitions.
struct FactorizedTests {
  static let pools = [1, 3].map { ThreadPool(threads: $0) }

  private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: generator.floats(rows * columns))
  }

  /// What a stored matrix gives must be what its weights give.
  private func expect(_ stored: StoredMatrix, weights: Matrix, _ name: String) {
    let bound = 1e-5 * Float(weights.values.map(abs).max() ?? 0) + 1e-6
    for pool in Self.pools {
      for (a, b) in zip(stored.decoded(on: pool).values, weights.values) {
        #expect(abs(a - b) <= bound, "\(name), decoded")
      }
      for tokens in [0, 1, 2, 19] {
        let x = random(tokens, weights.columns, seed: 9)
        let y = stored.multiply(x, on: pool)
        #expect(y.rows == tokens && y.columns == weights.rows)
        for token in 0..<tokens {
          for row in 0..<weights.rows {
            let exact = (0..<weights.columns).reduce(0.0) {
              $0 + Double(x[token, $1]) * Double(weights[row, $1])
            }
            #expect(
              abs(Double(y[token, row]) - exact) <= 1e-4 * (1 + abs(exact)), "\(name), \(tokens) tokens")
          }
        }
      }
    }
    let some = [weights.rows - 1, 0, weights.rows / 2]
    for (place, row) in some.enumerated() {
      for (a, b) in zip(stored.decoded(rows: some)[row: place], weights[row: row]) {
        #expect(abs(a - b) <= bound, "\(name), row \(row)")
      }
    }
  }

  @Test(arguments: [(1, 1, 1), (7, 5, 3), (40, 33, 8), (3, 70, 1)])
  func aProduct(rows: Int, columns: Int, rank: Int) {
    let (a, b) = (random(rows, rank, seed: 1), random(rank, columns, seed: 2))
    let weights = Matrix(
      rows: rows, columns: columns,
      values: (0..<(rows * columns)).map { index in
        Float((0..<rank).reduce(0.0) { $0 + Double(a[index / columns, $1]) * Double(b[$1, index % columns]) })
      })
    let product = StoredMatrix.product(MatrixProduct(.dense(Dense(a)), .dense(Dense(b))))
    expect(product, weights: weights, "\(rows)×\(rank)×\(columns)")
    #expect(product.byteCount == 4 * rank * (rows + columns))
  }

  static let shapes = [
    TensorTrain.Shape(rows: 1, outputs: [1], inputs: [1], ranks: []),
    TensorTrain.Shape(rows: 5, outputs: [5], inputs: [4], ranks: []),
    TensorTrain.Shape(rows: 6, outputs: [2, 3], inputs: [3, 2], ranks: [2]),
    TensorTrain.Shape(rows: 41, outputs: [4, 3, 4], inputs: [2, 5, 3], ranks: [3, 2]),
    TensorTrain.Shape(rows: 120, outputs: [5, 4, 3, 2], inputs: [1, 2, 2, 2], ranks: [2, 4, 2]),
  ]

  @Test(arguments: shapes) func aTensorTrain(_ shape: TensorTrain.Shape) {
    let cores = shape.cores.enumerated().map { random($1.rows, $1.columns, seed: UInt64($0 + 3)) }
    /// G₁[i₁, j₁] · … · G_d[i_d, j_d] at a row and a column.
    func entry(_ row: Int, _ column: Int) -> Float {
      var product = [1.0]
      var (rowUnit, columnUnit) = (shape.outputs.reduce(1, *), shape.columns)
      for (place, core) in cores.enumerated() {
        (rowUnit, columnUnit) = (rowUnit / shape.outputs[place], columnUnit / shape.inputs[place])
        let i = row / rowUnit % shape.outputs[place]
        let j = column / columnUnit % shape.inputs[place]
        let behind = shape.rank(behind: place)
        product = (0..<behind).map { b in
          product.indices.reduce(0.0) {
            $0 + product[$1] * Double(core[$1 * shape.outputs[place] + i, j * behind + b])
          }
        }
      }
      return Float(product[0])
    }
    let weights = Matrix(
      rows: shape.rows, columns: shape.columns,
      values: (0..<(shape.rows * shape.columns)).map { entry($0 / shape.columns, $0 % shape.columns) })
    let train = StoredMatrix.tensorTrain(TensorTrain(shape, cores: cores.map(Dense.init)))
    expect(train, weights: weights, "\(shape)")
    #expect(train.byteCount == 4 * shape.parameters)
  }

  @Test func aMaskTellsWhereItsWeightsAre() {
    let weights = random(5, 21, seed: 4)
    let masked = Masked(weights, at: .seed(7, perRow: 6))
    #expect(masked.places.count == 30 && masked.places == masked.places.sorted())
    let decoded = StoredMatrix.masked(masked).decoded()
    for (index, value) in decoded.values.enumerated() {
      let kept = masked.places.contains(index)
      #expect(value == (kept ? Half.decode(Half.encode(weights.values[index])) : 0))
    }
    let other = masked.keeping(masked.places.map { Float($0) })
    let values = StoredMatrix.masked(other).decoded().values
    #expect(masked.places.allSatisfy { values[$0] == Float($0) } && other.places == masked.places)
  }
}
