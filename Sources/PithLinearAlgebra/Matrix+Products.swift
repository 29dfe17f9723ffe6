import PithTensors

extension Matrix {
  /// The product of two matrices, each taken as it is or transposed.
  ///
  /// - Returns: op(self) · op(other).
  public func times(_ other: Matrix, transposed: Bool = false, otherTransposed: Bool = false) -> Matrix {
    let (m, k) = transposed ? (columns, rows) : (rows, columns)
    let (otherK, n) = otherTransposed ? (other.columns, other.rows) : (other.rows, other.columns)
    precondition(k == otherK, "\(k) columns for \(otherK) rows")
    return Matrix(rows: m, columns: n) { target in
      guard m > 0, n > 0 else { return }
      guard k > 0 else { return target.initialize(repeating: 0) }
      // Row-major C = A·B is column-major Cᵀ = Bᵀ·Aᵀ on the same memory.
      BLAS.sgemm(
        otherTransposed ? "T" : "N", transposed ? "T" : "N", n, m, k, 1, other.values, other.columns, values,
        columns, 0, target.baseAddress!, n)
    }
  }

  /// The matrix with rows and columns exchanged.
  public var transposed: Matrix {
    Matrix(rows: columns, columns: rows) { target in
      for row in 0..<rows {
        for column in 0..<columns { target[column * rows + row] = values[row * columns + column] }
      }
    }
  }
}

/// XᵀX, added up over batches of rows of X in float32.
public struct GramMatrix: Sendable {
  /// The columns of X.
  public let columns: Int

  /// The upper triangle, row-major.
  private var sums: [Float]

  /// Zero.
  public init(columns: Int) {
    self.columns = columns
    sums = [Float](repeating: 0, count: columns * columns)
  }

  /// Adds XᵀX for some more rows.
  public mutating func add(_ x: Matrix) {
    precondition(x.columns == columns, "\(x.columns) columns for \(columns)")
    guard x.rows > 0, columns > 0 else { return }
    // Row-major X is column-major Xᵀ, and the row-major upper triangle is the column-major lower one.
    BLAS.ssyrk("L", "N", columns, x.rows, 1, x.values, columns, 1, &sums, columns)
  }

  /// The sums times `factor`, both triangles.
  public func scaled(by factor: Float) -> Matrix {
    Matrix(rows: columns, columns: columns) { target in
      for row in 0..<columns {
        for column in row..<columns {
          let value = sums[row * columns + column] * factor
          target[row * columns + column] = value
          target[column * columns + row] = value
        }
      }
    }
  }
}
