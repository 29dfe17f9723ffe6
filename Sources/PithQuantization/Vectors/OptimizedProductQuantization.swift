import PithLinearAlgebra
import PithTensors
import PithWeights

/// Product quantization behind a rotation that suits it: codebooks for the rotated vectors and the rotation that brings
/// the vectors nearest to what the codes stand for are found in turn, and the error never rises.
///
/// (a) With R as it is: the codes of X·Rᵀ, and their codebooks. (b) With the codes as they are, Y what they stand for:
/// R = V·Uᵀ from the singular values XᵀY = U·S·Vᵀ (orthogonal Procrustes). It starts from R = 1, or from eigenvectors
/// shared out so that the sub-spaces' variances have equal products, whichever has the lower error.
///
/// On a weight the vectors are runs of `codebooks` · `dimension` columns, and R, stored in float16, serves them all.
/// Source: Ge, He, Ke and Sun, *Optimized product quantization*, PAMI 36, 2014.
struct OptimizedProductQuantization: Sendable {
  /// The codebooks and their search.
  let fit: VectorFit
  /// The vectors' components.
  let columns: Int
  /// Rounds of (a) and (b).
  let iterations: Int

  /// A rotation, and the error after each half of each round.
  struct Rotation: Sendable {
    /// R: columns × columns.
    var matrix: Matrix
    /// Σ (x − x̂)² after each (a) and each (b).
    var errors: [Double]
  }

  /// The most vectors that the rotation is fitted to.
  private static let sampleLimit = 1 << 15

  /// The rotation for some vectors.
  func rotation(for vectors: Matrix, on pool: ThreadPool) -> Rotation {
    let metric = LossMetric.plain(columns: columns)
    func started(_ rotation: Matrix) -> (rotation: Matrix, codes: VectorApproximation, error: Double) {
      let rotated = vectors.times(rotation, otherTransposed: true)
      let short = VectorFit(layout: fit.layout, search: fit.search, iterations: 1, seed: fit.seed)
      let codes = short.fitted(to: rotated, metric, isScaled: false, on: pool)
      return (rotation, codes, 2 * metric.loss(rotated.subtracting(codes.decoded(on: pool))))
    }
    var (rotation, codes, error) = started(identity)
    if let shares = eigenvectorShares(of: vectors) {
      let other = started(shares)
      if other.error < error { (rotation, codes, error) = other }
    }
    var errors = [error]
    for _ in 0..<iterations {
      let decoded = codes.decoded(on: pool)
      guard let svd = SingularValues(of: vectors.times(decoded, transposed: true)) else { break }
      rotation = svd.vTransposed.times(svd.u, transposed: true, otherTransposed: true)
      let rotated = vectors.times(rotation, otherTransposed: true)
      errors.append(2 * metric.loss(rotated.subtracting(decoded)))
      codes.sweep(toward: rotated, metric, fit.search, on: pool)
      codes.updateTables(toward: rotated, metric, steps: 1, on: pool)
      error = 2 * metric.loss(rotated.subtracting(codes.decoded(on: pool)))
      errors.append(error)
    }
    return Rotation(matrix: rotation, errors: errors)
  }

  private var identity: Matrix {
    var identity = Matrix(rows: columns, columns: columns)
    for index in 0..<columns { identity[index, index] = 1 }
    return identity
  }

  /// Eigenvectors of XᵀX, the largest first, each given to the sub-space whose eigenvalues have the smallest product so
  /// far and that has room; nil if there are none.
  private func eigenvectorShares(of vectors: Matrix) -> Matrix? {
    let gram = SymmetricMatrix(vectors.times(vectors, transposed: true))
    guard let (values, eigenvectors) = gram.eigenvectors() else { return nil }
    let (dimension, floor) = (fit.layout.dimension, max((values.last ?? 0) * 1e-9, .leastNormalMagnitude))
    var logarithms = [Double](repeating: 0, count: fit.layout.sets)
    var shares = [[Int]](repeating: [], count: fit.layout.sets)
    for index in values.indices.reversed() {
      let open = shares.indices.filter {
        shares[$0].count < min(dimension, columns - $0 * dimension)
      }
      guard let least = open.min(by: { logarithms[$0] < logarithms[$1] }) else { return nil }
      shares[least].append(index)
      logarithms[least] += Elementary.log(max(values[index], floor))
    }
    return Matrix(
      rows: columns, columns: columns, values: shares.joined().flatMap { eigenvectors[$0].map { Float($0) } })
  }
}

extension OptimizedProductQuantization {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    var layout = ProductQuantization.layout(options, columns: weight.columns)
    // The rotation needs whole runs: as many sub-spaces as divide the columns.
    while layout.sets > 1, weight.columns % (layout.sets * layout.dimension) != 0 { layout.sets -= 1 }
    let size = layout.sets * layout.dimension
    var rotation: BlockRotation?
    if layout.sets > 1 {
      let search = OptimizedProductQuantization(
        fit: VectorFit(layout: layout, search: .beam(width: 1), iterations: 1, seed: options.seed),
        columns: size,
        iterations: options.iterations)
      let fitted = search.rotation(for: weight.scaledRuns(of: size, limit: sampleLimit), on: pool)
      rotation = BlockRotation(size: size, values: Bytes(copying: fitted.matrix.values.map(Half.encode)))
    }
    return try CompressedMatrix(
      vectorsOf: weight, statistics, options, layout: layout, search: .beam(width: 1), behind: rotation,
      on: pool)
  }
}

extension Matrix {
  /// Runs of `size` columns of each row in units of the row's scale, from as many rows as the limit allows.
  fileprivate func scaledRuns(of size: Int, limit: Int) -> Matrix {
    let step = max(1, values.count / size / limit)
    let scales = rowScales([Float](repeating: 1, count: columns))
    let chosen = stride(from: 0, to: rows, by: step).filter { scales[$0] > 0 }
    return Matrix(
      rows: chosen.count * (columns / size), columns: size,
      values: chosen.flatMap { row in self[row: row].map { $0 / scales[row] } })
  }
}
