import PithTensors

/// A symmetric matrix in double precision.
///
///     guard let factor = h.cholesky() else { … }       // not positive definite
///     let inverse = factor.inverse()
public struct SymmetricMatrix: Sendable {
  /// Rows, and columns.
  public let size: Int

  /// `size × size` values, both triangles.
  public var values: [Double]

  /// A matrix with the given values, both triangles.
  public init(size: Int, values: [Double]) {
    precondition(values.count == size * size, "\(values.count) values for \(size)×\(size)")
    self.size = size
    self.values = values
  }

  /// A symmetric float32 matrix.
  public init(_ matrix: Matrix) {
    precondition(matrix.rows == matrix.columns, "a symmetric matrix is square")
    self.init(size: matrix.rows, values: matrix.values.map(Double.init))
  }

  /// The value at a row and column; setting one does not set its mirror image.
  public subscript(row: Int, column: Int) -> Double {
    get { values[row * size + column] }
    set { values[row * size + column] = newValue }
  }

  /// The Cholesky factor U, upper triangular with A = UᵀU; nil if the matrix is not positive definite.
  public func cholesky() -> CholeskyFactor? {
    guard size > 0 else { return CholeskyFactor(size: 0, values: []) }
    var factor = values
    guard BLAS.dpotrf("L", size, &factor) == 0 else { return nil }
    return CholeskyFactor(size: size, values: factor)
  }

  /// The upper triangular U with A⁻¹ = UᵀU; nil if the matrix is not positive definite.
  ///
  /// With the rows and columns of A in reverse, A = VᵀV with V upper triangular; then U is V⁻ᵀ in reverse. Half the work of
  /// inverting A and factoring the inverse.
  public func inverseCholesky() -> CholeskyFactor? {
    guard size > 0 else { return CholeskyFactor(size: 0, values: []) }
    var factor = Array(values.reversed())
    guard BLAS.dpotrf("U", size, &factor) == 0, BLAS.dtrtri(size, &factor) == 0 else { return nil }
    // As the columns of V⁻¹ lie together, its memory is that of the rows of V⁻ᵀ.
    return CholeskyFactor(size: size, values: factor.reversed())
  }

  /// The eigenvalues, rising, and the eigenvectors as rows in the same order; nil if the iteration fails.
  public func eigenvectors() -> (values: [Double], vectors: [[Double]])? {
    guard size > 0 else { return ([], []) }
    var (vectors, eigenvalues) = (values, [Double](repeating: 0, count: size))
    guard BLAS.dsyevd(size, &vectors, &eigenvalues) else { return nil }
    return (eigenvalues, (0..<size).map { Array(vectors[($0 * size)..<(($0 + 1) * size)]) })
  }
}

/// The upper triangular U of A = UᵀU.
public struct CholeskyFactor: Sendable {
  /// Rows, and columns.
  public let size: Int

  /// `size × size` values, row-major; those below the diagonal mean nothing.
  public let values: [Double]

  /// U at a row and a column not before it.
  public subscript(row: Int, column: Int) -> Double { values[row * size + column] }

  /// A⁻¹.
  public func inverse() -> SymmetricMatrix {
    var inverse = values
    if size > 0 { _ = BLAS.dpotri(size, &inverse) }
    for row in 0..<size {
      for column in 0..<row { inverse[row * size + column] = inverse[column * size + row] }
    }
    return SymmetricMatrix(size: size, values: inverse)
  }

  /// Solves A·x = b for several b, which lie one after the other; so do the x.
  public func solve(_ b: [Double]) -> [Double] {
    guard size > 0, !b.isEmpty else { return b }
    precondition(b.count % size == 0, "\(b.count) values for b of \(size)")
    var x = b
    BLAS.dpotrs(size, b.count / size, values, &x)
    return x
  }
}
