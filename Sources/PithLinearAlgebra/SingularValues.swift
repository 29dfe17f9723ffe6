import PithTensors

/// The singular value decomposition A = U·diag(s)·Vᵀ.
public struct SingularValues: Sendable {
  /// rows × min(rows, columns), orthonormal columns.
  public let u: Matrix
  /// The singular values, falling.
  public let s: [Float]
  /// min(rows, columns) × columns, orthonormal rows.
  public let vTransposed: Matrix

  /// The decomposition of a matrix, computed in double precision; nil if the iteration fails.
  public init?(of matrix: Matrix) {
    let (rows, columns, rank) = (matrix.rows, matrix.columns, min(matrix.rows, matrix.columns))
    guard rank > 0 else { return nil }
    // Row-major A is column-major Aᵀ = V·S·Uᵀ: LAPACK's U holds V, and its Vᵀ holds Uᵀ.
    var a = matrix.values.map(Double.init)
    var s = [Double](repeating: 0, count: rank)
    var v = [Double](repeating: 0, count: columns * rank)
    var uTransposed = [Double](repeating: 0, count: rank * rows)
    guard BLAS.dgesdd(columns, rows, &a, &s, &v, &uTransposed) else { return nil }
    self.s = s.map { Float($0) }
    // Column-major columns × rank is row-major rank × columns.
    vTransposed = Matrix(rows: rank, columns: columns, values: v.map { Float($0) })
    u = Matrix(rows: rows, columns: rank, values: uTransposed.map { Float($0) })
  }
}
