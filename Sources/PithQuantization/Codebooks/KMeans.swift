import PithTensors
import PithWeights

/// A table of the values that minimise the squared error: k-means in one dimension, where the exact optimum can
/// be computed.
///
/// Each value is the mean of the weights that take it, and each weight takes the nearest. With scales, a weight
/// counts with its scale squared, so it is the error of the weights themselves that is least; with the diagonal loss,
/// it also counts as the diagonal of H says for its column. Source: Wu, *Optimal quantization by matrix searching*,
/// J. Algorithms 12, 1991.
///
/// Up to `exactLimit` weights the partition is the optimum. More are first counted in as many bins of equal
/// width, and the optimum is that over the bins' edges.
enum KMeans {
  /// The most weights of which every one is a point of its own.
  static let exactLimit = 16_384

  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    CompressedMatrix(
      .codebook(
        try Codebook(fitting: weight, statistics, options, on: pool) { samples in
          table(for: samples, bits: options.bits, halfPrecision: options.tablePerRow)
        }))
  }

  /// The best table for some weights.
  static func table(for samples: Samples, bits: Int, halfPrecision: Bool) -> CodeTable {
    guard samples.values.count <= exactLimit else {
      return table(partitioning: binned(samples), bits: bits, halfPrecision: halfPrecision)
    }
    let points = sorted(samples)
    let optimum = table(partitioning: points, bits: bits, halfPrecision: halfPrecision)
    guard halfPrecision else { return optimum }
    // Rounding to float16 moves the optimum's values; where there is next to no error, it may lose to quantiles.
    let quantiles = CodeTable(
      nearest: Percentile.table(
        ofSorted: samples.values.sorted(), bits: bits, halfPrecision: true
      ).values)
    return error(of: points, in: quantiles) < error(of: points, in: optimum) ? quantiles : optimum
  }

  private static func table(partitioning points: [Point], bits: Int, halfPrecision: Bool) -> CodeTable {
    var values = OptimalPartition.means(of: points, parts: 1 << bits)
    if halfPrecision { values = values.map { Half.decode(Half.encode($0)) } }
    values += Array(repeating: values[values.count - 1], count: 1 << bits - values.count)
    return CodeTable(nearest: values)
  }

  /// A point for each weight, in rising order.
  private static func sorted(_ samples: Samples) -> [Point] {
    guard let masses = samples.masses else {
      return samples.values.sorted().map { Point(value: Double($0), mass: 1) }
    }
    return zip(samples.values, masses).map { Point(value: Double($0), mass: Double($1)) }
      .sorted { $0.value < $1.value }
  }

  /// The mass and the mean of the weights in each of `exactLimit` bins between the smallest and the largest.
  private static func binned(_ samples: Samples) -> [Point] {
    let low = samples.values.reduce(samples.values[0], min)
    let high = samples.values.reduce(low, max)
    guard low < high else { return [Point(value: Double(low), mass: 1)] }
    let binsPerUnit = Double(exactLimit) / (Double(high) - Double(low))
    var bins = [Point](repeating: Point(value: 0, mass: 0), count: exactLimit)
    for (index, value) in samples.values.enumerated() {
      let bin = min(Int((Double(value) - Double(low)) * binsPerUnit), exactLimit - 1)
      let mass = samples.masses.map { Double($0[index]) } ?? 1
      bins[bin].value += mass * Double(value)
      bins[bin].mass += mass
    }
    return bins.filter { $0.mass > 0 }.map { Point(value: $0.value / $0.mass, mass: $0.mass) }
  }

  /// Σ mass · (value − its code's value)².
  private static func error(of points: [Point], in table: CodeTable) -> Double {
    var code = 0
    var sum = 0.0
    for point in points {
      while code < table.thresholds.count, Double(table.thresholds[code]) <= point.value { code += 1 }
      let error = point.value - Double(table.values[code])
      sum += point.mass * error * error
    }
    return sum
  }
}
