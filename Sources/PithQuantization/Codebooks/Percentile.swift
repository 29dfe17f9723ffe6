import PithTensors
import PithWeights

/// A table of evenly spaced quantiles: the weights in order are cut in 2^b parts of equal number, each part is
/// one code, and decodes to its median. Source: arXiv 2110.02861.
///
/// With the diagonal loss each weight counts as the diagonal of H says for its column.
///
/// Equal weights stay together, so codes are used equally often where the weights differ. Equal use carries the
/// most information per code, but not the least error: see `KMeans`.
enum Percentile {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    CompressedMatrix(
      .codebook(
        try Codebook(fitting: weight, statistics, options, on: pool) { samples in
          guard let importance = samples.importance else {
            return table(
              ofSorted: samples.values.sorted(), bits: options.bits, halfPrecision: options.tablePerRow)
          }
          let points = zip(samples.values, importance).map { Point(value: Double($0), mass: Double($1)) }
          return table(
            ofSorted: spread(points.sorted { $0.value < $1.value }), bits: options.bits,
            halfPrecision: options.tablePerRow)
        }))
  }

  /// As many values as points, in rising order, in which each point appears about as often as its mass says: the
  /// quantiles at the middles of equal parts of the mass.
  private static func spread(_ points: [Point]) -> [Float] {
    let step = points.reduce(0) { $0 + $1.mass } / Double(points.count)
    var (index, passed) = (0, points[0].mass)
    return points.indices.map { part in
      while passed < (Double(part) + 0.5) * step, index < points.count - 1 {
        index += 1
        passed += points[index].mass
      }
      return Float(points[index].value)
    }
  }

  /// The table for weights in rising order.
  static func table(ofSorted weights: [Float], bits: Int, halfPrecision: Bool) -> CodeTable {
    let codes = 1 << bits
    let thresholds = (1..<codes).map { weights[min($0 * weights.count / codes, weights.count - 1)] }
    var values: [Float] = []
    var start = 0
    for code in 0..<codes {
      let end =
        code < codes - 1 ? firstIndex(notBelow: thresholds[code], in: weights, from: start) : weights.count
      // A part that ties have left empty repeats a neighbour, to keep the table in order.
      let middle =
        start < end
        ? (weights[(start + end - 1) / 2] / 2 + weights[(start + end) / 2] / 2)
        : weights[min(start, weights.count - 1)]
      values.append(halfPrecision ? Half.decode(Half.encode(middle)) : middle)
      start = end
    }
    return CodeTable(values: values, thresholds: thresholds)
  }

  /// The first index, at or after `start`, of a value that is not below `threshold`.
  private static func firstIndex(notBelow threshold: Float, in sorted: [Float], from start: Int) -> Int {
    var (low, high) = (start, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < threshold { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
