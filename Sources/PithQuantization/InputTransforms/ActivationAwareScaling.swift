import PithTensors
import PithWeights

/// AWQ's scales (Lin et al., arXiv 2306.00978, section 3.2): a weight whose input is large matters more, so its column is
/// multiplied by s_j = mean|X_j|^α before quantization and the input divided, which makes its rounding error smaller.
///
/// α comes from a grid of 20 values in [0, 1), the one whose quantized weights lose least: tr(D H Dᵀ) with D = W − Ŵ, which
/// is the error of the outputs over all calibration rows. Scales are normalized by √(max·min).
enum ActivationAwareScaling {
  /// Values of α that are tried.
  private static let grid = (0..<20).map { Float($0) / 20 }

  static func transform(
    _ weights: [Matrix], _ statistics: InputStatistics?, _ options: MethodOptions,
    _ quantizer: MethodOptions, _ pool: ThreadPool
  ) -> InputTransform? {
    guard let statistics else { return nil }
    var best: (loss: Double, transform: InputTransform?) = (.infinity, nil)
    for alpha in grid {
      guard let transform = InputTransform(dividingBy: scales(statistics, alpha)) else { continue }
      let loss = weights.reduce(0.0) { $0 + self.loss($1, transform, statistics, quantizer, pool) }
      if loss < best.loss { best = (loss, alpha == 0 ? nil : transform) }
    }
    return best.transform
  }

  /// s_j = mean|X_j|^α, normalized; 1 for a dead input.
  private static func scales(_ statistics: InputStatistics, _ alpha: Float) -> [Float] {
    let powers = statistics.meanMagnitude.map { $0 > 0 ? max(Elementary.pow($0, alpha), 1e-4) : 1 }
    let norm = (powers.reduce(0, max) * powers.reduce(.infinity, min)).squareRoot()
    return powers.map { $0 / norm }
  }

  /// The loss of rounding to nearest behind a transform.
  private static func loss(
    _ weight: Matrix, _ transform: InputTransform, _ statistics: InputStatistics,
    _ quantizer: MethodOptions, _ pool: ThreadPool
  ) -> Double {
    let options = MethodOptions(
      bits: quantizer.bits, groupSize: quantizer.groupSize, symmetric: quantizer.symmetric)
    guard let stored = try? RoundToNearest.quantize(transform.behind(weight, on: pool), nil, options, pool)
    else { return .infinity }
    let decoded = StoredMatrix.transformed(Transformed(transform, stored.matrix)).decoded(on: pool)
    let error = Matrix(
      rows: weight.rows, columns: weight.columns, values: zip(weight.values, decoded.values).map { $0 - $1 })
    return statistics.quadraticForm(error, on: pool)
  }
}
