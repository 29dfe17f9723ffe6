#if canImport(Accelerate)
  import Accelerate
#else
  import COpenBLAS
#endif

/// The routines under one spelling on every platform. Matrices are column-major, as in Fortran.
enum BLAS {
  /// Work is shared among the threads of a `ThreadPool`: threads of the library's own would wait in loops beside them, and
  /// sums would depend on their number.
  private static let isReady: Bool = {
    #if !canImport(Accelerate)
      openblas_take_fitting_kernels()
      openblas_set_num_threads(1)
    #endif
    return true
  }()

  /// C ← α·op(A)·op(B) + β·C.
  static func sgemm(
    _ transA: Character, _ transB: Character, _ m: Int, _ n: Int, _ k: Int, _ alpha: Float,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, _ beta: Float,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    _ = isReady
    var (transA, transB) = (letter(transA), letter(transB))
    var (m, n, k, lda, ldb, ldc) = (Int32(m), Int32(n), Int32(k), Int32(lda), Int32(ldb), Int32(ldc))
    var (alpha, beta) = (alpha, beta)
    sgemm_(&transA, &transB, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc)
  }

  /// A = L·Lᵀ in the lower triangle ("L"), or UᵀU in the upper ("U"); the column that is not positive (from 1), or 0.
  static func dpotrf(_ uplo: Character, _ n: Int, _ a: UnsafeMutablePointer<Double>) -> Int {
    _ = isReady
    var (uplo, n, info) = (letter(uplo), Int32(n), Int32(0))
    var lda = n
    dpotrf_(&uplo, &n, a, &lda, &info)
    return Int(info)
  }

  /// A⁻¹ in the lower triangle, from the factor that `dpotrf` left.
  static func dpotri(_ n: Int, _ a: UnsafeMutablePointer<Double>) -> Int {
    _ = isReady
    var (uplo, n, info) = (letter("L"), Int32(n), Int32(0))
    var lda = n
    dpotri_(&uplo, &n, a, &lda, &info)
    return Int(info)
  }

  /// A·X = B for the columns of B, in its place, from the lower triangle that `dpotrf` left.
  static func dpotrs(
    _ n: Int, _ count: Int, _ a: UnsafePointer<Double>, _ b: UnsafeMutablePointer<Double>
  ) {
    _ = isReady
    var (uplo, n, count, info) = (letter("L"), Int32(n), Int32(count), Int32(0))
    var (lda, ldb) = (n, n)
    dpotrs_(&uplo, &n, &count, a, &lda, b, &ldb, &info)
  }

  /// The inverse of an upper triangle in its place; the column of a 0 on the diagonal (from 1), or 0.
  static func dtrtri(_ n: Int, _ a: UnsafeMutablePointer<Double>) -> Int {
    _ = isReady
    var (uplo, diag, n, info) = (letter("U"), letter("N"), Int32(n), Int32(0))
    var lda = n
    dtrtri_(&uplo, &diag, &n, a, &lda, &info)
    return Int(info)
  }

  /// Eigenvalues rising in `w`, eigenvectors in the columns of A; whether it converged.
  static func dsyevd(_ n: Int, _ a: UnsafeMutablePointer<Double>, _ w: UnsafeMutablePointer<Double>) -> Bool {
    _ = isReady
    var (jobz, uplo, n, info) = (letter("V"), letter("L"), Int32(n), Int32(0))
    var lda = n
    var (size, integerSize) = (Int32(-1), Int32(-1))
    var (work, integers) = ([0.0], [Int32(0)])
    dsyevd_(&jobz, &uplo, &n, a, &lda, w, &work, &size, &integers, &integerSize, &info)
    (size, integerSize) = (Int32(work[0]), integers[0])
    work = [Double](repeating: 0, count: Int(size))
    integers = [Int32](repeating: 0, count: Int(integerSize))
    dsyevd_(&jobz, &uplo, &n, a, &lda, w, &work, &size, &integers, &integerSize, &info)
    return info == 0
  }

  /// A = U·S·Vᵀ with min(m, n) singular values, falling; whether it converged.
  static func dgesdd(
    _ m: Int, _ n: Int, _ a: UnsafeMutablePointer<Double>, _ s: UnsafeMutablePointer<Double>,
    _ u: UnsafeMutablePointer<Double>, _ vt: UnsafeMutablePointer<Double>
  ) -> Bool {
    _ = isReady
    var (jobz, m, n, info) = (letter("S"), Int32(m), Int32(n), Int32(0))
    var (lda, ldu, ldvt, size) = (m, m, min(m, n), Int32(-1))
    var integers = [Int32](repeating: 0, count: 8 * Int(min(m, n)))
    var work = [0.0]
    dgesdd_(&jobz, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, &work, &size, &integers, &info)
    size = Int32(work[0])
    work = [Double](repeating: 0, count: Int(size))
    dgesdd_(&jobz, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, &work, &size, &integers, &info)
    return info == 0
  }

  private static func letter(_ character: Character) -> CChar { CChar(character.asciiValue!) }
}
