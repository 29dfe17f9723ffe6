import PithTensors

extension Matrix {
  /// The product of two matrices, each taken as it is or transposed.
  ///
  /// - Parameter pool: the threads that share the work; nil for the caller's alone. The result does not depend on it.
  /// - Returns: op(self) · op(other).
  public func times(
    _ other: Matrix, transposed: Bool = false, otherTransposed: Bool = false, on pool: ThreadPool? = nil
  ) -> Matrix {
    let (m, n) = (transposed ? columns : rows, otherTransposed ? other.rows : other.columns)
    return Matrix(rows: m, columns: n) { target in
      write(other, transposed, otherTransposed, beta: 0, to: target, on: pool)
    }
  }

  /// Adds the product of two other matrices, each taken as it is or transposed: self += op(a) · op(b).
  ///
  /// - Parameter pool: the threads that share the work; nil for the caller's alone. The result does not depend on it.
  public mutating func add(
    productOf a: Matrix, transposed: Bool = false, with b: Matrix, otherTransposed: Bool = false,
    on pool: ThreadPool? = nil
  ) {
    precondition(
      rows == (transposed ? a.columns : a.rows) && columns == (otherTransposed ? b.rows : b.columns),
      "the product is no \(rows)×\(columns)")
    values.withUnsafeMutableBufferPointer {
      a.write(b, transposed, otherTransposed, beta: 1, to: $0, on: pool)
    }
  }

  /// target ← op(self) · op(other) + β · target.
  private func write(
    _ other: Matrix, _ transposed: Bool, _ otherTransposed: Bool, beta: Float,
    to target: UnsafeMutableBufferPointer<Float>, on pool: ThreadPool?
  ) {
    let (m, k) = transposed ? (columns, rows) : (rows, columns)
    let (otherK, n) = otherTransposed ? (other.columns, other.rows) : (other.rows, other.columns)
    precondition(k == otherK, "\(k) columns for \(otherK) rows")
    guard m > 0, n > 0 else { return }
    guard k > 0 else {
      if beta == 0 { target.initialize(repeating: 0) }
      return
    }
    nonisolated(unsafe) let target = target.baseAddress!
    values.withUnsafeBufferPointer { a in
      other.values.withUnsafeBufferPointer { b in
        nonisolated(unsafe) let (a, b) = (a.baseAddress!, b.baseAddress!)
        Panels.forEach(m, on: pool) { panel in
          // Row-major C = A·B is column-major Cᵀ = Bᵀ·Aᵀ on the same memory.
          BLAS.sgemm(
            otherTransposed ? "T" : "N", transposed ? "T" : "N", n, panel.count, k, 1, b, other.columns,
            a + panel.lowerBound * (transposed ? 1 : columns), columns, beta, target + panel.lowerBound * n, n
          )
        }
      }
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
  ///
  /// - Parameter pool: the threads that share the work; nil for the caller's alone. The result does not depend on it.
  public mutating func add(_ x: Matrix, on pool: ThreadPool? = nil) {
    precondition(x.columns == columns, "\(x.columns) columns for \(columns)")
    guard x.rows > 0, columns > 0 else { return }
    let columns = columns
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums.baseAddress!
      x.values.withUnsafeBufferPointer { x in
        nonisolated(unsafe) let start = x.baseAddress!
        let rows = x.count / columns
        Panels.forEach(columns, on: pool) { panel in
          // Rows of the upper triangle, from the panel's first column on.
          let first = panel.lowerBound
          BLAS.sgemm(
            "N", "T", columns - first, panel.count, rows, 1, start + first, columns, start + first, columns,
            1,
            sums + first * columns + first, columns)
        }
      }
    }
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

/// Rows of a result that are computed together, the same whatever computes them.
private enum Panels {
  static func forEach(_ count: Int, on pool: ThreadPool?, _ body: (Range<Int>) -> Void) {
    let size = 96
    func run(_ panels: Range<Int>) {
      for panel in panels { body(panel * size..<min((panel + 1) * size, count)) }
    }
    let panels = (count + size - 1) / size
    if let pool { pool.forEach(count: panels, grain: 1, run) } else { run(0..<panels) }
  }
}
