import PithTensors
import PithWeights

/// A way to quantize a weight: one entry of the table of methods.
///
///     let method = QuantizationMethod.named("nf4")!
///     let quantized = try method.quantize(weight, options: method.defaults, on: pool)
///     print(quantized.matrix.bitsPerWeight)       // 4.5
///
/// A method is a function from a weight, what calibration saw at its input, and options to a stored matrix; it knows
/// nothing of models or files. A new one is a file with the function, an entry in `all`, and a test.
public struct QuantizationMethod: Sendable {
  /// The function of a method; its arguments have been checked. Statistics are there unless the method needs none.
  typealias Function =
    @Sendable (Matrix, InputStatistics?, QuantizationOptions, ThreadPool) throws(QuantizationError) ->
    QuantizedMatrix

  /// Whether a method looks at what calibration saw.
  public enum Calibration: Sendable {
    /// Never.
    case none
    /// With some options; without statistics it does what it can.
    case optional
    /// Always.
    case required
  }

  /// The name, as the command line spells it.
  public let name: String

  /// One line of help.
  public let summary: String

  /// The source: an arXiv id, or a reference.
  public let paper: String

  /// The bits per code that the method offers.
  public let bits: ClosedRange<Int>

  /// The options that the method reads.
  public let options: Set<QuantizationOptions.Name>

  /// The options to start from.
  public let defaults: QuantizationOptions

  /// Whether the method looks at what calibration saw.
  public let calibration: Calibration

  private let function: Function

  init(
    name: String, summary: String, paper: String, bits: ClosedRange<Int>,
    options: Set<QuantizationOptions.Name>, defaults: QuantizationOptions, calibration: Calibration = .none,
    function: @escaping Function
  ) {
    self.name = name
    self.summary = summary
    self.paper = paper
    self.bits = bits
    self.options = options.union([.bits])
    self.defaults = defaults
    self.calibration = calibration
    self.function = function
  }

  /// Quantizes a weight.
  ///
  /// - Parameters:
  ///   - weight: outputs × inputs, all finite.
  ///   - statistics: what calibration saw at the inputs; may be nil unless `calibration` says `required`.
  ///   - options: start from `defaults`.
  ///   - pool: the threads that share the work; the result does not depend on their number.
  /// - Returns: a stored matrix of the same shape, with notes.
  /// - Throws: `QuantizationError` if an option is out of range or does not apply, or if the weight is empty,
  ///   not finite, or too large for the scales.
  public func quantize(
    _ weight: Matrix, _ statistics: InputStatistics? = nil, options: QuantizationOptions, on pool: ThreadPool
  ) throws(QuantizationError) -> QuantizedMatrix {
    try check(options)
    precondition(statistics.map { $0.columns == weight.columns } ?? true, "statistics of another matrix")
    if calibration == .required, statistics == nil { throw .noStatistics(method: name) }
    guard weight.rows > 0, weight.columns > 0 else {
      throw .empty(rows: weight.rows, columns: weight.columns)
    }
    if let index = weight.values.firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(row: index / weight.columns, column: index % weight.columns)
    }
    return try function(weight, statistics, options, pool)
  }

  /// Checks options before any weight is read.
  ///
  /// - Throws: `QuantizationError` that names the first option that is out of range or does not apply.
  public func check(_ options: QuantizationOptions) throws(QuantizationError) {
    guard bits.contains(options.bits) else { throw .bits(options.bits, allowed: bits, method: name) }
    for option in QuantizationOptions.Name.allCases where !self.options.contains(option) {
      guard options.agrees(with: defaults, in: option) else { throw .unusedOption(option, method: name) }
    }
    if let size = options.groupSize, size < 1 { throw .groupSize(size) }
    if let threshold = options.threshold, !(threshold > 0 && threshold.isFinite) {
      throw .threshold(threshold)
    }
  }
}

extension QuantizationMethod {
  /// Every method.
  public static let all: [QuantizationMethod] = [
    QuantizationMethod(
      name: "rtn", summary: "round to the nearest of evenly spaced integers, with a scale per group",
      paper: "arXiv 1712.05877, section 2.1", bits: 2...8,
      options: [.groupSize, .symmetric, .rangeSearch],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), function: plain(RoundToNearest.quantize)),
    QuantizationMethod(
      name: "kmeans", summary: "a table of values fitted by exact one-dimensional k-means",
      paper: "Wu, Optimal quantization by matrix searching, J. Algorithms 12, 1991", bits: 1...8,
      options: [.groupSize, .tablePerRow],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), function: plain(KMeans.quantize)),
    QuantizationMethod(
      name: "percentile", summary: "a table of evenly spaced quantiles: each code is used equally often",
      paper: "arXiv 2110.02861, section 2 (quantile quantization)", bits: 1...8,
      options: [.groupSize, .tablePerRow],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), function: plain(Percentile.quantize)),
    QuantizationMethod(
      name: "nf4", summary: "NormalFloat: 16 fixed values at the quantiles of a normal distribution",
      paper: "arXiv 2305.14314 (QLoRA)", bits: 4...4,
      options: [.groupSize, .doubleQuantization],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), function: plain(NormalFloat.quantize)),
    QuantizationMethod(
      name: "af4",
      summary: "AbnormalFloat: 16 values of least absolute error for normal blocks of the given size",
      paper: "arXiv 2306.06965", bits: 4...4,
      options: [.groupSize, .doubleQuantization],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), function: plain(AbnormalFloat.quantize)),
    QuantizationMethod(
      name: "llm-int8",
      summary: "LLM.int8(): weights and activations in int8, multiplied as integers, large features apart",
      paper: "arXiv 2208.07339", bits: 8...8, options: [.rangeSearch, .threshold, .fixedOutliers],
      defaults: QuantizationOptions(bits: 8, threshold: 6), calibration: .optional, function: LLMInt8.quantize
    ),
  ]

  /// The method called `name`, or nil.
  public static func named(_ name: String) -> QuantizationMethod? { all.first { $0.name == name } }

  /// The function of a method that looks at the weight alone.
  private static func plain(
    _ quantize:
      @escaping @Sendable (Matrix, QuantizationOptions, ThreadPool) throws(QuantizationError) ->
      StoredMatrix
  ) -> Function {
    { (weight, _, options, pool) throws(QuantizationError) in
      QuantizedMatrix(try quantize(weight, options, pool))
    }
  }
}
