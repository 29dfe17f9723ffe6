import CPithKernels
import PithTensors

/// A product of two matrices, W = A·B: a layer factorized to a low rank.
public struct MatrixProduct: Sendable {
  /// A: rows × rank.
  public let left: StoredMatrix
  /// B: rank × columns.
  public let right: StoredMatrix

  /// The product of two matrices.
  public init(_ left: StoredMatrix, _ right: StoredMatrix) {
    precondition(left.columns == right.rows, "\(left.columns) columns for \(right.rows) rows")
    self.left = left
    self.right = right
  }

  /// The inner size of the product.
  public var rank: Int { right.rows }
}

extension MatrixProduct {
  var tensors: [NamedTensor] {
    left.tensors.map { $0.prefixed("left") } + right.tensors.map { $0.prefixed("right") }
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    let decoded = decoded(rows: [row], on: nil)
    decoded.values.withUnsafeBufferPointer {
      target.update(from: $0.baseAddress!, count: right.columns)
    }
  }

  /// Some rows, for which B is decoded once.
  func decoded(rows chosen: [Int], on pool: ThreadPool?) -> Matrix {
    let (a, b) = (left.decoded(rows: chosen), right.decoded(on: pool))
    return Matrix(rows: a.rows, columns: b.columns) { target in
      a.values.withUnsafeBufferPointer { a in
        b.values.withUnsafeBufferPointer { b in
          guard let start = target.baseAddress else { return }
          nonisolated(unsafe) let (a, b, y) = (a.baseAddress!, b.baseAddress!, start)
          let (rank, columns) = (rank, right.columns)
          func run(_ range: Range<Int>) {
            pith_product(
              pith_operand(start: a + range.lowerBound * rank, row: rank, column: 1),
              pith_operand(start: b, row: columns, column: 1), range.count, columns, rank, false,
              y + range.lowerBound * columns, columns)
          }
          if let pool { pool.forEach(count: chosen.count, grain: 16, run) } else { run(chosen.indices) }
        }
      }
    }
  }

  func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    left.multiply(right.multiply(x, on: pool), on: pool)
  }
}
