import PithJSON

/// What is trained on what, and how.
///
///     model: {new: {layers: 4, width: 128}}      # or the path of a model that goes on learning
///     text: input.txt
///     held-out: 0.1
///     window: 256
///     batch: 16
///     steps: 3000                                # or time: 10m
///     learning-rate: 1e-3
public struct TrainingRecipe: Sendable, Equatable {
  /// Where the weights come from.
  public enum Start: Sendable, Equatable {
    /// A model of bytes with random weights.
    case new(NewDecoder)
    /// A model that is there.
    case model(path: String)
  }

  /// When it ends.
  public enum End: Sendable, Equatable {
    /// After so many steps.
    case steps(Int)
    /// After so many seconds; how far it came depends on the machine.
    case seconds(Double)
  }

  /// Where the weights come from.
  public var start = Start.new(NewDecoder())
  /// The text.
  public var text = ""
  /// The last share of it, which is only measured with.
  public var heldOut = 0.1
  /// Tokens per window.
  public var window = 256
  /// Windows of a step.
  public var batch = 16
  /// In how many parts a step's windows go through the model, one after the other.
  public var parts = 1
  /// When it ends.
  public var end = End.steps(3000)
  /// The rule of a step.
  public var optimizer = Optimizer.Rule.adamW(beta2: 0.99, decay: 0.1)
  /// The highest learning rate.
  public var learningRate: Float = 1e-3
  /// The steps on the way there.
  public var warmUp = 100
  /// How it falls.
  public var decay = Schedule.Decay.cosine
  /// The longest gradient.
  public var clipping: Float = 1
  /// The share of values that are dropped.
  public var dropout: Float = 0
  /// The share of each target that is spread over all tokens.
  public var labelSmoothing: Float = 0
  /// Whether only the input of each layer is kept for the way back: less memory, a third more work.
  public var recompute = false
  /// Steps between measurements on what is held out.
  public var evaluateEvery = 250
  /// Where random numbers start.
  public var seed: UInt64 = 0

  /// A recipe of defaults; it has no text yet.
  public init() {}

  /// Checks what can be checked before anything is read.
  ///
  /// - Throws: `TrainingRecipeError` that names the key at fault.
  public func check() throws(TrainingRecipeError) {
    func require(_ holds: Bool, _ key: String, _ mend: String) throws(TrainingRecipeError) {
      if !holds { throw TrainingRecipeError("'\(key)' must be \(mend).") }
    }
    try require(!text.isEmpty, "text", "given: the path of a UTF-8 text")
    try require(heldOut > 0 && heldOut < 1, "held-out", "a share between 0 and 1")
    try require(window >= 2, "window", "at least 2 tokens")
    try require(batch >= 1, "batch", "at least 1 window")
    try require(parts >= 1 && batch % parts == 0, "parts", "a divisor of 'batch', \(batch)")
    switch end {
    case .steps(let steps): try require(steps >= 1, "steps", "at least 1")
    case .seconds(let seconds): try require(seconds >= 1, "time", "at least 1s")
    }
    try require(learningRate > 0 && learningRate.isFinite, "learning-rate", "above 0")
    try require(warmUp >= 0, "warm-up", "0 or more steps")
    try require(clipping > 0, "clipping", "above 0")
    try require((0..<1).contains(dropout), "dropout", "a share in [0, 1)")
    try require((0..<1).contains(labelSmoothing), "label-smoothing", "a share in [0, 1)")
    try require(evaluateEvery >= 1, "evaluate-every", "at least 1 step")
    guard case .new(let shape) = start else { return }
    try require((1...1000).contains(shape.layers), "layers", "from 1 to 1000")
    try require(shape.heads >= 1, "heads", "at least 1")
    try require(
      shape.width >= 2 && shape.width % (2 * shape.heads) == 0, "width",
      "a multiple of \(2 * shape.heads), twice the heads")
    try require(shape.feedForward >= 1, "feed-forward", "at least 1")
    try require(shape.context >= window, "context", "at least the window, \(window)")
  }

  /// The recipe in full: what reports and unfinished work record.
  public var json: JSONValue {
    let model: JSONValue =
      switch start {
      case .new(let shape):
        [
          "new": [
            "layers": .int(shape.layers), "width": .int(shape.width), "heads": .int(shape.heads),
            "feed-forward": .int(shape.feedForward), "context": .int(shape.context),
          ]
        ]
      case .model(let path): .string(path)
      }
    var json: JSONValue = [
      "model": model, "text": .string(text), "held-out": .double(heldOut), "window": .int(window),
      "batch": .int(batch), "parts": .int(parts), "optimizer": .string(optimizer.summary),
      "learning-rate": .double(Double(learningRate)), "warm-up": .int(warmUp),
      "decay": .string(decay.rawValue),
      "clipping": .double(Double(clipping)), "dropout": .double(Double(dropout)),
      "label-smoothing": .double(Double(labelSmoothing)), "recompute": .bool(recompute),
      "evaluate-every": .int(evaluateEvery), "seed": .string("\(seed)"),
    ]
    switch end {
    case .steps(let steps): json["steps"] = .int(steps)
    case .seconds(let seconds): json["time"] = .double(seconds)
    }
    return json
  }
}

extension Optimizer.Rule {
  /// The rule in a few words.
  var summary: String {
    switch self {
    case .adamW(let beta1, let beta2, let epsilon, let decay):
      "adamw, betas \(beta1) and \(beta2), epsilon \(epsilon), weight decay \(decay)"
    case .momentum(let momentum, let decay): "momentum \(momentum), weight decay \(decay)"
    }
  }
}

/// What is wrong with a recipe, in one sentence.
public struct TrainingRecipeError: Error, Equatable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  init(_ description: String) { self.description = description }
}
