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

  /// What the method can make small.
  public let losses: Set<QuantizationLoss>

  /// Whether the method looks at what calibration saw.
  public let calibration: Calibration

  private let function: Function

  /// What the method's options must fulfil together; the general rules have been checked.
  private let rule: @Sendable (QuantizationOptions) throws(QuantizationError) -> Void

  init(
    name: String, summary: String, paper: String, bits: ClosedRange<Int>,
    options: Set<QuantizationOptions.Name>, defaults: QuantizationOptions,
    losses: Set<QuantizationLoss> = Set(QuantizationLoss.allCases), calibration: Calibration = .none,
    function: @escaping Function,
    rule: @escaping @Sendable (QuantizationOptions) throws(QuantizationError) -> Void = { _ in }
  ) {
    self.name = name
    self.summary = summary
    self.paper = paper
    self.bits = bits
    self.options = options.union([.bits])
    self.defaults = defaults
    self.losses = losses
    self.calibration = calibration
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
        throw .bits(options.bits, allowed: 4...4, method: options.grid.rawValue)
      }
      if options.symmetric { throw .unusedOption(.symmetric, method: options.grid.rawValue) }
    }
    let ranges: [(QuantizationOptions.Name, Int, ClosedRange<Int>)] = [
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

extension QuantizationMethod {
  /// Every method.
  public static let all: [QuantizationMethod] = [
    QuantizationMethod(
      name: "rtn", summary: "round to the nearest of evenly spaced integers, with a scale per group",
      paper: "arXiv 1712.05877, section 2.1", bits: 2...8,
      options: [.groupSize, .symmetric, .rangeSearch, .activations, .loss],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), losses: [.plain, .layer], calibration: .optional,
      function: RoundToNearest.quantize, rule: RoundToNearest.check),
    QuantizationMethod(
      name: "hqq", summary: "evenly spaced integers with zero points that make small errors smaller still",
      paper: "Badri and Shaji, Half-quadratic quantization of large machine learning models, 2023",
      bits: 2...8,
      options: [.groupSize], defaults: QuantizationOptions(bits: 4, groupSize: 64),
      function: plain(HalfQuadratic.quantize)),
    QuantizationMethod(
      name: "kmeans", summary: "a table of values fitted by exact one-dimensional k-means",
      paper: "Wu, Optimal quantization by matrix searching, J. Algorithms 12, 1991", bits: 1...8,
      options: [.groupSize, .tablePerRow, .loss],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), losses: [.plain, .diagonal],
      calibration: .optional, function: KMeans.quantize),
    QuantizationMethod(
      name: "percentile", summary: "a table of evenly spaced quantiles: each code is used equally often",
      paper: "arXiv 2110.02861, section 2 (quantile quantization)", bits: 1...8,
      options: [.groupSize, .tablePerRow, .loss],
      defaults: QuantizationOptions(bits: 4, groupSize: 64), losses: [.plain, .diagonal],
      calibration: .optional, function: Percentile.quantize),
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
      name: "gptq", summary: "column by column, each error made up for by the columns still to come",
      paper: "arXiv 2210.17323", bits: 2...8,
      options: [.groupSize, .symmetric, .rangeSearch, .actOrder, .damping, .grid, .activations],
      defaults: QuantizationOptions(
        bits: 4, groupSize: 64, rangeSearch: .squaredError, actOrder: .static),
      calibration: .required, function: observing(GPTQ.quantize)),
    QuantizationMethod(
      name: "obq",
      summary: "weight by weight, in each row the one of least harm first; slow: for small matrices",
      paper: "arXiv 2208.11580", bits: 2...8, options: [.groupSize, .symmetric, .rangeSearch, .damping],
      defaults: QuantizationOptions(bits: 4, groupSize: 64, rangeSearch: .squaredError),
      calibration: .required, function: observing(OptimalBrainQuantization.quantize)),
    QuantizationMethod(
      name: "spqr", summary: "GPTQ in small groups with quantized scales, the most sensitive weights apart",
      paper: "arXiv 2306.03078", bits: 2...8,
      options: [.groupSize, .rangeSearch, .damping, .outlierShare, .scaleBits],
      defaults: QuantizationOptions(bits: 3, groupSize: 16, outlierShare: 0.01, scaleBits: 3),
      calibration: .required, function: observing(SpQR.quantize)),
    QuantizationMethod(
      name: "quik",
      summary: "GPTQ with weights and activations in 4 (or 8) bits, the columns of large inputs apart",
      paper: "arXiv 2310.09259", bits: 4...8, options: [.rangeSearch, .damping, .outlierShare],
      defaults: QuantizationOptions(bits: 4, outlierShare: 0.05), calibration: .required,
      function: observing(QUIK.quantize), rule: QUIK.check),
    QuantizationMethod(
      name: "vq", summary: "vectors: one codebook for all runs of columns, by k-means",
      paper: "Lloyd, Least squares quantization in PCM, 1982", bits: 1...12,
      options: [.dimension, .loss, .iterations, .seed],
      defaults: QuantizationOptions(bits: 8, loss: .layer, dimension: 4), calibration: .optional,
      function: VectorQuantization.quantize),
    QuantizationMethod(
      name: "pq", summary: "product quantization: sub-spaces of columns with a codebook each",
      paper: "Jégou et al., Product quantization for nearest neighbor search, PAMI 33, 2011", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: QuantizationOptions(bits: 8, loss: .layer, dimension: 4, codebooks: 4),
      calibration: .optional, function: ProductQuantization.quantize),
    QuantizationMethod(
      name: "opq", summary: "product quantization behind a rotation that suits it",
      paper: "Ge et al., Optimized product quantization, PAMI 36, 2014", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: QuantizationOptions(bits: 8, loss: .layer, dimension: 4, codebooks: 4),
      calibration: .optional, function: OptimizedProductQuantization.quantize),
    QuantizationMethod(
      name: "aq", summary: "additive quantization: sums of codewords, found by beam search",
      paper: "Babenko and Lempitsky, CVPR 2014; on the layer loss arXiv 2401.06118 (AQLM)", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: QuantizationOptions(bits: 8, loss: .layer, dimension: 8, codebooks: 2),
      calibration: .optional, function: AdditiveQuantization.quantize),
    QuantizationMethod(
      name: "lsq", summary: "additive quantization by local search with random disturbances",
      paper: "Martinez et al., ECCV 2016 and 2018", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: QuantizationOptions(bits: 8, loss: .layer, dimension: 8, codebooks: 2),
      calibration: .optional, function: LocalSearchQuantization.quantize),
    QuantizationMethod(
      name: "llm-int8",
      summary: "LLM.int8(): weights and activations in int8, multiplied as integers, large features apart",
      paper: "arXiv 2208.07339", bits: 8...8, options: [.rangeSearch, .threshold, .fixedOutliers],
      defaults: QuantizationOptions(bits: 8, threshold: 6), calibration: .optional, function: LLMInt8.quantize
    ),
    QuantizationMethod(
      name: "float16", summary: "half precision: what compression is measured against", paper: "IEEE 754",
      bits: 16...16, options: [], defaults: QuantizationOptions(bits: 16), function: plain(Float16.quantize)),
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

  /// The function of a method that cannot do without statistics.
  private static func observing(
    _ quantize:
      @escaping @Sendable (Matrix, InputStatistics, QuantizationOptions, ThreadPool)
      throws(QuantizationError) -> QuantizedMatrix
  ) -> Function {
    { (weight, statistics, options, pool) throws(QuantizationError) in
      try quantize(weight, statistics!, options, pool)
    }
  }
}
