import PithTensors
import PithWeights

/// SmoothQuant (Xiao et al., arXiv 2211.10438, equation 4): outliers of the inputs move into the weights, which are
/// easy to quantize. Input j is divided by s_j = max|X_j|^α / max|W_:,j|^(1−α), and column j of the weights multiplied.
enum SmoothQuant {
  static func transform(
    _ weights: [Matrix], _ statistics: InputStatistics?, _ options: MethodOptions,
    _: MethodOptions, _: ThreadPool
  ) -> InputTransform? {
    guard let statistics else { return nil }
    let largest = ColumnMagnitudes.largest(weights)
    let smoothing = (0..<statistics.columns).map { j -> Float in
      let (x, w) = (statistics.maxMagnitude[j], largest[j])
      guard x > 0, w > 0 else { return 1 }
      return Elementary.pow(x, options.alpha) / Elementary.pow(w, 1 - options.alpha)
    }
    return InputTransform(dividingBy: smoothing)
  }
}

/// What the columns of weights have in common.
enum ColumnMagnitudes {
  /// The largest |w| of each column over all weights.
  static func largest(_ weights: [Matrix]) -> [Float] {
    var largest = [Float](repeating: 0, count: weights.first?.columns ?? 0)
    for weight in weights {
      for row in 0..<weight.rows {
        for column in 0..<weight.columns {
          largest[column] = max(largest[column], weight.values[row * weight.columns + column].magnitude)
        }
      }
    }
    return largest
  }
}

extension InputTransform {
  /// The division of input j by divisor j, as far as float16 holds its inverse; nil if a divisor is not positive.
  init?(dividingBy divisors: [Float]) {
    let scales = divisors.map { Half.encode(1 / $0) }
    guard scales.allSatisfy({ Half.decode($0) > 0 && Half.decode($0).isFinite }) else { return nil }
    self = .scale(Bytes(copying: scales.map(\.littleEndian)))
  }
}
