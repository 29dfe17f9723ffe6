import PithTensors
import PithWeights

/// HQQ (Badri and Shaji, *Half-quadratic quantization of large machine learning models*, 2023): zero points that need not be
/// whole, found without data by making a norm small that large errors do not rule.
///
/// With ‖W − s·(c − z)‖_p, p = 0.7, split by W_e ≈ W − s·(c − z): W_e is the errors shrunk towards 0, and z the mean of
/// c − (W − W_e)/s over the group; then β grows by κ. Scales are those of rounding to nearest. Up to 20 rounds, until the
/// mean |error| grows; the best is kept.
enum HalfQuadratic {
  private static let (p, rounds): (Float, Int) = (0.7, 20)
  private static let (beta, kappa): (Float, Float) = (1, 1.01)

  static func quantize(
    _ weight: Matrix, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> StoredMatrix {
    let groupSize = min(options.groupSize ?? weight.columns, weight.columns)
    let groups = weight.groups(of: groupSize)
    let grids = weight.map(groupsOf: groupSize, on: pool) { solve($1, bits: options.bits) }
    if let index = grids.firstIndex(where: { !$0.scale.isFinite || !$0.zero.isFinite }) {
      throw .tooLarge(row: index / groups, column: index % groups * groupSize)
    }
    let codes = weight.packedRows(bits: options.bits, on: pool) { row, weights, codes in
      for group in 0..<groups {
        let columns = weight.columns(ofGroup: group, size: groupSize)
        grids[row * groups + group].round(
          UnsafeBufferPointer(rebasing: weights[columns]), into: codes + columns.lowerBound)
      }
    }
    return .affine(
      Affine(
        rows: weight.rows, columns: weight.columns, bits: options.bits, groupSize: groupSize, codes: codes,
        scales: .float16(Bytes(copying: grids.map { Half.encode($0.scale) })),
        zeros: .float16(Bytes(copying: grids.map { Half.encode($0.zero) }))))
  }

  /// The grid of one group.
  private static func solve(_ weights: UnsafeBufferPointer<Float>, bits: Int) -> AffineGrid {
    var grid = AffineGrid(fitting: weights, bits: bits, symmetric: false, range: .minMax)
    guard grid.scale.isFinite else { return grid }
    var (best, least) = (grid, meanError(weights, grid))
    var beta = beta
    for _ in 0..<rounds {
      var sum: Float = 0
      for weight in weights {
        let code = grid.code(weight)
        let error = weight - grid.value(code)
        sum += Float(code) - (weight - shrink(error, beta)) / grid.scale
      }
      grid = grid.withZero(Half.decode(Half.encode(sum / Float(weights.count))))
      let error = meanError(weights, grid)
      guard error < least else { break }
      (best, least) = (grid, error)
      beta *= kappa
    }
    return best
  }

  /// The shrinkage operator of the p-norm: sign(x)·max(0, |x| − |x|^(p−1)/β).
  private static func shrink(_ x: Float, _ beta: Float) -> Float {
    guard x != 0 else { return 0 }
    let size = max(0, x.magnitude - Elementary.pow(x.magnitude, p - 1) / beta)
    return x < 0 ? -size : size
  }

  private static func meanError(_ weights: UnsafeBufferPointer<Float>, _ grid: AffineGrid) -> Float {
    weights.reduce(Float(0)) { $0 + ($1 - grid.value(grid.code($1))).magnitude } / Float(weights.count)
  }
}
