import PithTensors
import PithWeights

/// A way to make weights easier to quantize by changing what they are multiplied with: one entry of a table.
///
/// A transform T of the inputs is undone in the weights, so that nothing changes before quantization: W·x = (W·T⁻¹)·(T·x).
/// What follows quantizes W·T⁻¹.
public struct InputTransformMethod: Sendable {
  /// The function of a method: weights that share an input, what calibration saw there, the method's options and those
  /// of the quantizer that follows. Nil to leave the input as it is.
  typealias Function =
    @Sendable ([Matrix], InputStatistics?, MethodOptions, _ quantizer: MethodOptions, ThreadPool)
    ->
    InputTransform?

  /// The name, as the command line spells it.
  public let name: String

  /// One line of help.
  public let summary: String

  /// The source: an arXiv id, or a reference.
  public let paper: String

  /// The options that the method reads.
  public let options: Set<MethodOptions.Name>

  /// The options to start from.
  public let defaults: MethodOptions

  /// Whether the method looks at what calibration saw.
  public let calibration: CompressionMethod.Calibration

  /// The quantizer that follows where a recipe names none, and its options.
  public let quantizer: (name: String, options: MethodOptions)

  let function: Function

  /// The transform for weights that share an input.
  ///
  /// - Parameters:
  ///   - weights: outputs × inputs each, all finite, of the same inputs.
  ///   - statistics: what calibration saw; may be nil unless `calibration` says `required`.
  ///   - options: start from `defaults`.
  ///   - quantizer: the options of the quantizer that follows.
  /// - Returns: nil where the method leaves the input as it is.
  /// - Throws: `MethodError` if statistics are missing.
  public func transform(
    _ weights: [Matrix], _ statistics: InputStatistics?, options: MethodOptions,
    quantizer: MethodOptions, on pool: ThreadPool
  ) throws(MethodError) -> InputTransform? {
    if calibration == .required, statistics == nil { throw .noStatistics(method: name) }
    return function(weights, statistics, options, quantizer, pool)
  }

  /// Checks options before any weight is read.
  ///
  /// - Throws: `MethodError` that names the first option that is out of range or does not apply.
  public func check(_ options: MethodOptions) throws(MethodError) {
    for option in MethodOptions.Name.allCases where !self.options.contains(option) {
      guard options.agrees(with: defaults, in: option) else { throw .unusedOption(option, method: name) }
    }
    guard (0...1).contains(options.alpha) else { throw .alpha(options.alpha) }
  }
}

extension InputTransformMethod {
  /// Every method.
  public static let all: [InputTransformMethod] = [
    InputTransformMethod(
      name: "awq",
      summary: "scale up the inputs that matter, by the share of their magnitude that loses least",
      paper: "arXiv 2306.00978", options: [], defaults: MethodOptions(), calibration: .required,
      quantizer: ("rtn", MethodOptions(bits: 4, groupSize: 64, loss: .layer)),
      function: ActivationAwareScaling.transform),
    InputTransformMethod(
      name: "smoothquant", summary: "move the outliers of activations into the weights, half of the way",
      paper: "arXiv 2211.10438", options: [.alpha], defaults: MethodOptions(alpha: 0.5),
      calibration: .required,
      quantizer: ("rtn", MethodOptions(bits: 8, symmetric: true, activations: .int8)),
      function: SmoothQuant.transform),
    InputTransformMethod(
      name: "rotate", summary: "mix the inputs with a random Hadamard matrix, which leaves no outliers",
      paper: "arXiv 2404.00456 (QuaRot), 2402.04396 (QuIP#)", options: [.seed],
      defaults: MethodOptions(),
      calibration: .none,
      quantizer: ("rtn", MethodOptions(bits: 4, groupSize: 64, rangeSearch: .squaredError)),
      function: HadamardRotation.transform),
  ]

  /// The method called `name`, or nil.
  public static func named(_ name: String) -> InputTransformMethod? { all.first { $0.name == name } }
}
