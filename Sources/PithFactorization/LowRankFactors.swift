import PithLinearAlgebra
import PithTensors

/// The product of a rank that is nearest to a matrix, M ≈ L·R (Eckart and Young, Psychometrika 1, 1936).
///
/// The columns of P, the leading eigenvectors of M·Mᵀ, span what M·v can be best; L = P and R = Pᵀ·M are exact whatever rounding
/// did to P. Of a matrix with more rows than columns the same is done to its transpose.
struct LowRankFactors {
  /// rows × rank.
  var left: Matrix
  /// rank × columns.
  var right: Matrix

  /// The factors of a matrix.
  ///
  /// - Parameter rank: at most the smaller side of the matrix.
  /// - Returns: nil if the eigenvectors were not found.
  init?(_ matrix: Matrix, rank: Int, on pool: ThreadPool) {
    let isTall = matrix.rows > matrix.columns
    let gram =
      isTall
      ? matrix.times(matrix, transposed: true, on: pool)
      : matrix.times(matrix, otherTransposed: true, on: pool)
    guard let basis = Self.leading(gram, rank) else { return nil }
    left = isTall ? matrix.times(basis, otherTransposed: true, on: pool) : basis.transposed
    right = isTall ? basis : basis.times(matrix, on: pool)
  }

  /// The factors of a matrix whose error e counts as e·H·eᵀ, row by row: P holds the leading eigenvectors of M·H·Mᵀ.
  ///
  /// With H = SᵀS the truncated decomposition of M·Sᵀ is P·Pᵀ·M·Sᵀ, so the nearest product is P·Pᵀ·M and S is not needed
  /// (activation-aware SVD, arXiv 2312.05821 with S the root of H; arXiv 2403.07378).
  init?(_ matrix: Matrix, weightedBy h: Matrix, rank: Int, on pool: ThreadPool) {
    let gram = matrix.times(h, on: pool).times(matrix, otherTransposed: true, on: pool)
    guard let basis = Self.leading(gram, rank) else { return nil }
    left = basis.transposed
    right = basis.times(matrix, on: pool)
  }

  /// The eigenvectors of the largest eigenvalues, as rows.
  private static func leading(_ gram: Matrix, _ rank: Int) -> Matrix? {
    guard let (_, vectors) = SymmetricMatrix(gram).eigenvectors() else { return nil }
    return Matrix(
      rows: rank, columns: gram.columns,
      values: vectors.suffix(rank).reversed().flatMap { $0.map { Float($0) } })
  }

  /// Each column of L becomes as long as the row of R that it meets: so both keep most of float16, and learn at the same pace.
  mutating func balance() {
    for k in 0..<right.rows {
      var (a, b): (Float, Float) = (0, 0)
      for row in 0..<left.rows { a += left[row, k] * left[row, k] }
      for column in 0..<right.columns { b += right[k, column] * right[k, column] }
      guard a > 0, b > 0 else { continue }
      let factor = (b / a).squareRoot().squareRoot()
      for row in 0..<left.rows { left[row, k] *= factor }
      for column in 0..<right.columns { right[k, column] /= factor }
    }
  }
}
