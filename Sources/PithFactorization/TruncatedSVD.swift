import PithQuantization
import PithTensors
import PithWeights

/// A layer factorized to a low rank: W ≈ A·B, nearest to W, or with what calibration saw nearest to its outputs.
enum TruncatedSVD {
  static func factorize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let rank = try rank(weight, options)
    let found =
      if options.loss == .layer, let statistics {
        LowRankFactors(weight, weightedBy: statistics.hessian, rank: rank, on: pool)
      } else {
        LowRankFactors(weight, rank: rank, on: pool)
      }
    guard var factors = found else { throw .notFactored }
    factors.balance()
    return CompressedMatrix(
      .product(
        MatrixProduct(
          try Float16.quantize(factors.left, options, pool),
          try Float16.quantize(factors.right, options, pool))))
  }

  /// The rank that was asked for, or that of half of the parameters: r·(m + n) ≤ m·n/2.
  private static func rank(_ weight: Matrix, _ options: MethodOptions) throws(MethodError) -> Int {
    let (m, n) = (weight.rows, weight.columns)
    guard let rank = options.rank else { return max(1, m * n / 2 / (m + n)) }
    guard rank * (m + n) < m * n else {
      throw .rank(rank, rows: m, columns: n, largest: max(0, (m * n - 1) / (m + n)))
    }
    return rank
  }
}
