import PithTensors
import PithWeights

/// A way to make a weight small: one entry of a table of methods, `quantization` or that of pruning.
///
///     let method = CompressionMethod.named("nf4")!
///     let quantized = try method.quantize(weight, options: method.defaults, on: pool)
///     print(quantized.matrix.bitsPerWeight)       // 4.5
///
/// A method is a function from a weight, what calibration saw at its input, and options to a stored matrix; it knows
/// nothing of models or files. A new one is a file with the function, an entry in a table, and a test.
public struct CompressionMethod: Sendable {
  /// The function of a method; its arguments have been checked. Statistics are there unless the method needs none.
  package typealias Function =
    @Sendable (Matrix, InputStatistics?, MethodOptions, ThreadPool) throws(MethodError) ->
    CompressedMatrix

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

  /// The bits per code that the method offers, in rising order.
  public let bits: [Int]

  /// The options that the method reads.
  public let options: Set<MethodOptions.Name>

  /// The options to start from.
  public let defaults: MethodOptions

  /// What the method can make small.
  public let losses: Set<QuantizationLoss>

  /// Whether the method looks at what calibration saw.
  public let calibration: Calibration

  /// Whether a row of the result depends on that row of the weight alone in what it takes: so the size of a few rows tells that of all.
  package let isMadeOfRows: Bool

  private let function: Function

  /// What the method's options must fulfil together; the general rules have been checked.
  private let rule: @Sendable (MethodOptions) throws(MethodError) -> Void

  package init(
    name: String, summary: String, paper: String, bits: some Sequence<Int>,
    options: Set<MethodOptions.Name>, defaults: MethodOptions,
    losses: Set<QuantizationLoss> = Set(QuantizationLoss.allCases), calibration: Calibration = .none,
    isMadeOfRows: Bool = true,
    function: @escaping Function,
    rule: @escaping @Sendable (MethodOptions) throws(MethodError) -> Void = { _ in }
  ) {
    self.name = name
    self.summary = summary
    self.paper = paper
    self.bits = Array(bits)
    self.options = options.union([.bits])
    self.defaults = defaults
    self.losses = losses
    self.calibration = calibration
    self.isMadeOfRows = isMadeOfRows
    self.function = function
    self.rule = rule
  }

  /// Quantizes a weight.
  ///
  /// - Parameters:
  ///   - weight: outputs × inputs, all finite.
  ///   - statistics: what calibration saw at the inputs; may be nil unless `calibration` says `required`.
  ///   - options: start from `defaults`.
  ///   - pool: the threads that share the work; the result does not depend on their number.
  /// - Returns: a stored matrix of the same shape, with notes.
  /// - Throws: `MethodError` if an option is out of range or does not apply, or if the weight is empty,
  ///   not finite, or too large for the scales.
  public func quantize(
    _ weight: Matrix, _ statistics: InputStatistics? = nil, options: MethodOptions, on pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
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
  /// - Throws: `MethodError` that names the first option that is out of range or does not apply.
  public func check(_ options: MethodOptions) throws(MethodError) {
    guard bits.contains(options.bits) else { throw .bits(options.bits, allowed: bits, method: name) }
    for option in MethodOptions.Name.allCases where !self.options.contains(option) {
      guard options.agrees(with: defaults, in: option) else { throw .unusedOption(option, method: name) }
    }
    guard losses.contains(options.loss) else { throw .loss(options.loss, method: name) }
    if let size = options.groupSize, size < 1 { throw .groupSize(size) }
    if !(options.damping >= 0 && options.damping.isFinite) { throw .damping(options.damping) }
    if !(0..<1).contains(options.outlierShare) { throw .outlierShare(options.outlierShare) }
    if !(1...8).contains(options.scaleBits) { throw .range(.scaleBits, options.scaleBits, allowed: 1...8) }
    if options.activations != .none {
      let isIntegerStorage =
        options.symmetric && options.groupSize == nil && (options.bits == 4 || options.bits == 8)
        && options.grid == .affine && options.actOrder != .stored
      guard isIntegerStorage else { throw .integerStorage }
    }
    if options.grid != .affine {
      guard options.bits == 4 else {
        throw .gridBits(options.bits, grid: options.grid.rawValue)
      }
      if options.symmetric { throw .unusedOption(.symmetric, method: options.grid.rawValue) }
    }
    if let rank = options.rank, rank < 1 { throw .range(.rank, rank, allowed: 1...Int(Int32.max)) }
    let ranges: [(MethodOptions.Name, Int, ClosedRange<Int>)] = [
      (.dimension, options.dimension, VectorCodebook.Layout.dimensions),
      (.codebooks, options.codebooks, VectorCodebook.Layout.codebookCounts),
      (.iterations, options.iterations, 1...1000),
    ]
    for (option, value, range) in ranges where !range.contains(value) {
      throw .range(option, value, allowed: range)
    }
    if let threshold = options.threshold, !(threshold > 0 && threshold.isFinite) {
      throw .threshold(threshold)
    }
    try rule(options)
  }
}

extension CompressionMethod {
  /// The function of a method that looks at the weight alone.
  package static func plain(
    _ quantize:
      @escaping @Sendable (Matrix, MethodOptions, ThreadPool) throws(MethodError) ->
      StoredMatrix
  ) -> Function {
    { (weight, _, options, pool) throws(MethodError) in
      CompressedMatrix(try quantize(weight, options, pool))
    }
  }

  /// The function of a method that cannot do without statistics.
  package static func observing(
    _ quantize:
      @escaping @Sendable (Matrix, InputStatistics, MethodOptions, ThreadPool)
      throws(MethodError) -> CompressedMatrix
  ) -> Function {
    { (weight, statistics, options, pool) throws(MethodError) in
      try quantize(weight, statistics!, options, pool)
    }
  }
}
