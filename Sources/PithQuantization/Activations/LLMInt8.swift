import PithTensors
import PithWeights

/// LLM.int8(): weights in int8 with a scale per row, activations in int8 with a scale per token, and the few features whose
/// activations are large apart from both.
///
/// A feature is an outlier if any |x| of a batch reaches the threshold (6.0). Its column is multiplied in float32, the
/// others as integers, and the products are added. Outliers are found in each batch at run time; or, fixed beforehand, they
/// are the columns that reached the threshold in calibration, which are then stored in float16. Source: arXiv 2208.07339,
/// section 3.
enum LLMInt8 {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    guard options.fixedOutliers else {
      return CompressedMatrix(.integer(try rounded(weight, threshold: options.threshold, options, pool)))
    }
    guard let statistics else { throw .noStatistics(method: "llm-int8 with fixed outliers") }
    return CompressedMatrix(try split(weight, outliers(in: statistics, options), options, pool))
  }

  /// The columns that reached the threshold in calibration, rising.
  private static func outliers(in statistics: InputStatistics, _ options: MethodOptions) -> [Int] {
    guard let threshold = options.threshold else { return [] }
    return statistics.maxMagnitude.indices.filter { statistics.maxMagnitude[$0] >= threshold }
  }

  /// The weight with the outliers' columns behind the others, in float16.
  private static func split(
    _ weight: Matrix, _ outliers: [Int], _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> StoredMatrix {
    if outliers.isEmpty { return .integer(try rounded(weight, threshold: nil, options, pool)) }
    guard weight.columns <= InputTransform.largestPermutation else {
      throw .tooWide(weight.columns, allowed: InputTransform.largestPermutation)
    }
    let isOutlier = Set(outliers)
    let inliers = (0..<weight.columns).filter { !isOutlier.contains($0) }
    let apart = StoredMatrix.dense(try halves(weight, columns: outliers))
    if inliers.isEmpty { return apart }
    let rest = try rounded(weight.selecting(columns: inliers), threshold: nil, options, pool)
    let order = Bytes(copying: (inliers + outliers).map { UInt16($0).littleEndian })
    return .transformed(Transformed(.permutation(order), .split(ColumnSplit([.integer(rest), apart]))))
  }

  private static func rounded(
    _ weight: Matrix, threshold: Float?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> IntegerProduct {
    try RowIntegers.rounded(
      weight, bits: options.bits, rangeSearch: options.rangeSearch, activations: .int8, threshold: threshold,
      on: pool)
  }

  /// Some columns of a weight in float16.
  private static func halves(_ weight: Matrix, columns: [Int]) throws(MethodError) -> Dense {
    let chosen = weight.selecting(columns: columns)
    let values = chosen.values.map(Half.encode)
    if let index = values.firstIndex(where: { !Half.decode($0).isFinite }) {
      throw .tooLarge(row: index / columns.count, column: columns[index % columns.count])
    }
    return Dense(rows: weight.rows, columns: columns.count, format: .float16, values: Bytes(copying: values))
  }
}
