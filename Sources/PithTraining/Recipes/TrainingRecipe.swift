import PithCheckpoints
import PithJSON
import PithModels

/// What is trained on what, and how.
///
///     model: {new: {layers: 4, width: 128}}      # or the path of a model that goes on learning
///     text: input.txt                            # or labels: train.tsv
///     held-out: 0.1
///     window: 256
///     batch: 16
///     steps: 3000                                # or time: 10m
///     learning-rate: 1e-3
public struct TrainingRecipe: Sendable, Equatable {
  /// Where the weights come from.
  public enum Start: Sendable, Equatable {
    /// A model with random weights.
    case new(NewModel)
    /// A model that is there.
    case model(path: String)
    /// Every so many of its layers, the first ones of each run: the start of a student (DistilBERT, arXiv 1910.01108).
    case layers(of: String, every: Int)
  }

  /// What is learned from.
  public enum Data: Sendable, Equatable {
    /// A text, whose last share is only measured with.
    case text(path: String, heldOut: Double)
    /// Texts, or pairs of them, with classes, and others to measure with.
    case labels(path: String, heldOut: String)
    /// Images with classes, whose last share is only measured with.
    case images(path: String, heldOut: Double)
  }

  /// Processes that learn together, and share a folder.
  public struct Peers: Sendable, Equatable {
    /// The folder, where each leaves what it has learned.
    public var folder: String
    /// Which of them this one is, from 0.
    public var member = 0
    /// How many there are.
    public var count = 2
    /// Steps after which each leaves its parameters and reads those of the others.
    public var every = 50
    /// Steps before it learns from the others.
    public var burnIn = 200

    /// Two members.
    public init(folder: String) { self.folder = folder }
  }

  /// How much of what a teacher makes of the data is learned.
  public struct Distillation: Sendable, Equatable {
    /// Who teaches.
    public enum Teacher: Sendable, Equatable {
      /// The mean of some models, by their paths.
      case models([String])
      /// The mean of the other members of a co-distillation.
      case peers(Peers)
    }

    /// Who teaches.
    public var teacher: Teacher
    /// The share of the teachers' values that is dropped, under masks drawn anew for each batch.
    public var dropout: Float = 0
    /// How many masks are drawn for a batch.
    public var samples = 8
    /// T: what logits are divided by.
    public var temperature: Float = 2
    /// The share of the teacher's probabilities; the rest is the data's.
    public var soft: Float = 0.5
    /// How much states that point elsewhere than the teacher's cost, layer by layer: encoders alone.
    public var hidden: Float = 0
    /// Whether each layer in turn learns to give what the teacher's gives, and nothing else: decoders alone. The steps are
    /// then those of each layer, the time is that of all.
    public var byLayer = false

    /// From a teacher.
    public init(teacher: Teacher) { self.teacher = teacher }
  }

  /// Which of the models on the way is written.
  public enum Keep: String, Sendable, CaseIterable {
    /// That of the last step.
    case last
    /// That which is best on what is held out: nearest to the teacher's probabilities of a text, or else of the least loss.
    /// The one that it starts from counts too.
    case best
  }

  /// When it ends.
  public enum End: Sendable, Equatable {
    /// After so many steps.
    case steps(Int)
    /// After so many seconds; how far it came depends on the machine.
    case seconds(Double)
  }

  /// Where the weights come from.
  public var start = Start.new(NewModel())
  /// What is learned from.
  public var data = Data.text(path: "", heldOut: 0.1)
  /// What is learned from a teacher; nil for nothing.
  public var distillation: Distillation?
  /// What is compressed meanwhile; nil for nothing.
  public var compression: Compression?
  /// Tokens per window of a text.
  public var window = 256
  /// Windows, or texts with classes, of a step.
  public var batch = 16
  /// In how many parts a step's batch goes through the model, one after the other.
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
  /// Which of the models on the way is written.
  public var keep = Keep.last
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
    switch data {
    case .text(let path, let heldOut):
      try require(!path.isEmpty, "text", "given, the path of a UTF-8 text, or 'labels'")
      try require(heldOut > 0 && heldOut < 1, "held-out", "a share between 0 and 1")
    case .images(_, let heldOut):
      try require(heldOut > 0 && heldOut < 1, "held-out", "a share between 0 and 1")
    case .labels(_, let heldOut):
      try require(!heldOut.isEmpty, "held-out", "the path of texts with classes to measure with")
    }
    if let distillation {
      try require(distillation.temperature > 0 && distillation.temperature.isFinite, "temperature", "above 0")
      try require((0...1).contains(distillation.soft), "soft", "a share in [0, 1]")
      try require(distillation.hidden >= 0, "hidden", "0 or more")
      try require((0..<1).contains(distillation.dropout), "teacher-dropout", "a share in [0, 1)")
      try require((1...1000).contains(distillation.samples), "teacher-samples", "from 1 to 1000")
      try require(labelSmoothing == 0, "label-smoothing", "0 where a teacher or members give the targets")
      try require(distillation.hidden == 0 || !recompute, "recompute", "false where 'hidden' compares states")
      switch distillation.teacher {
      case .models(let paths):
        let isPlain = paths.count == 1 && distillation.dropout == 0
        try require(distillation.hidden == 0 || isPlain, "hidden", "0 for several teachers or masks")
      case .peers(let peers):
        try require(distillation.hidden == 0, "hidden", "0 where members teach each other")
        try require(distillation.dropout == 0, "teacher-dropout", "0 where members teach each other")
        try require((2...1000).contains(peers.count), "of", "from 2 to 1000 members")
        try require((0..<peers.count).contains(peers.member), "member", "from 0 to \(peers.count - 1)")
        try require(peers.every >= 1, "every", "at least 1 step")
        try require(peers.burnIn >= 0, "burn-in", "0 or more steps")
      }
      if case .text = data { try require(distillation.hidden == 0, "hidden", "0 for a text") }
      if distillation.byLayer {
        try require(keep == .last, "keep", "left out with 'by-layer', where each layer becomes no worse")
        guard case .text = data, case .models(let paths) = distillation.teacher, paths.count == 1,
          distillation.dropout == 0
        else {
          throw TrainingRecipeError("'by-layer' is for a text and one teacher without dropout: leave it out.")
        }
      }
    }
    if case .quantization(let quantization) = compression {
      try require((2...8).contains(quantization.bits), "bits", "from 2 to 8")
      try require(quantization.groupSize >= 1, "group-size", "at least 1 column")
      try require(
        (0...1).contains(quantization.until) && quantization.until > 0, "until",
        "a share of the training above 0, at most 1")
      try require(quantization.every >= 1, "every", "at least 1 step")
    }
    if case .sparsity(let sparsity) = compression {
      try require(sparsity.target > 0 && sparsity.target < 1, "target", "a share between 0 and 1")
      try require(
        sparsity.until > 0 && sparsity.until <= 1, "until", "a share of the training above 0, at most 1")
      try require(sparsity.every >= 1, "every", "at least 1 step")
      try require(
        sparsity.unit == .weights || sparsity.method == .l0, "of", "weights where the method is no l0")
    }
    func reaches(_ every: Int, _ until: Double, _ schedule: Pace) throws(TrainingRecipeError) {
      guard case .steps(let steps) = end, schedule != .once else { return }
      try require(Double(every) <= until * Double(steps), "every", "at most the share 'until' of the steps")
    }
    switch compression {
    case .sparsity(let sparsity) where sparsity.method == .magnitude:
      try reaches(sparsity.every, sparsity.until, sparsity.schedule)
    case .sparsity:
      if case .adamW = optimizer {
      } else {
        throw TrainingRecipeError(
          "'optimizer' must be adamw for l0 and variational, whose gates and variances it moves.")
      }
    case .quantization(let quantization):
      try reaches(quantization.every, quantization.until, quantization.schedule)
    case nil: break
    }
    if compression != nil {
      try require(
        keep == .last, "keep",
        "left out where the model is compressed: the best one would be the one that is least so")
      if distillation?.byLayer == true || distillation?.peers != nil {
        throw TrainingRecipeError(
          "'sparsity' and 'quantization' are for a training of the whole model by itself: leave out 'by-layer' and 'members'."
        )
      }
    }
    if case .layers(_, let every) = start { try require(every >= 1, "every", "at least 1") }
    try require((2...1_000_000).contains(window), "window", "from 2 to 1,000,000 tokens")
    try require((1...65_536).contains(batch), "batch", "from 1 to 65,536 windows or texts")
    try require(parts >= 1 && batch % parts == 0, "parts", "a divisor of 'batch', \(batch)")
    switch end {
    case .steps(let steps): try require(steps >= 1, "steps", "at least 1")
    case .seconds(let seconds): try require(seconds >= 1, "time", "at least 1s")
    }
    try require(learningRate > 0 && learningRate.isFinite, "learning-rate", "above 0")
    try require(warmUp >= 0, "warm-up", "0 or more steps")
    try require(clipping > 0 && clipping.isFinite, "clipping", "above 0")
    try require(optimizer.decay >= 0 && optimizer.decay.isFinite, "weight-decay", "0 or more")
    try require((0..<1).contains(dropout), "dropout", "a share in [0, 1)")
    try require((0..<1).contains(labelSmoothing), "label-smoothing", "a share in [0, 1)")
    try require(evaluateEvery >= 1, "evaluate-every", "at least 1 step")
    guard case .new(let shape) = start else { return }
    try require((1...1000).contains(shape.layers), "layers", "from 1 to 1000")
    try require((1...1024).contains(shape.heads), "heads", "from 1 to 1024")
    try require(shape.width <= 65_536, "width", "at most 65,536")
    try require(
      shape.width >= 2 && shape.width % (2 * shape.heads) == 0, "width",
      "a multiple of \(2 * shape.heads), twice the heads")
    try require((1...262_144).contains(shape.feedForward), "feed-forward", "from 1 to 262,144")
    try require((2...1_000_000).contains(shape.context), "context", "from 2 to 1,000,000 tokens")
    try require(shape.mask.density > 0 && shape.mask.density <= 1, "density", "a share above 0, at most 1")
    switch data {
    case .text: try require(shape.context >= window, "context", "at least the window, \(window)")
    case .labels:
      try require(
        shape.vocabularyOf != nil, "vocabulary-of",
        "given for 'labels', the path of a model whose tokens are read")
    case .images: try require(shape.vocabularyOf == nil, "vocabulary-of", "left out for 'images'")
    }
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
            "density": .number(shape.mask.density), "mask": .string(shape.mask.pattern.rawValue),
            "vocabulary-of": shape.vocabularyOf.map { .string($0) } ?? .null,
          ]
        ]
      case .model(let path): .string(path)
      case .layers(let path, let every): ["layers-of": .string(path), "every": .int(every)]
      }
    var json: JSONValue = [
      "model": model, "window": .int(window), "batch": .int(batch), "parts": .int(parts),
      "optimizer": .string(optimizer.summary),
      "learning-rate": .number(learningRate), "warm-up": .int(warmUp),
      "decay": .string(decay.rawValue),
      "clipping": .number(clipping), "dropout": .number(dropout),
      "label-smoothing": .number(labelSmoothing), "recompute": .bool(recompute),
      "evaluate-every": .int(evaluateEvery), "keep": .string(keep.rawValue), "seed": .string("\(seed)"),
    ]
    switch data {
    case .text(let path, let heldOut):
      json["text"] = .string(path)
      json["held-out"] = .double(heldOut)
    case .labels(let path, let heldOut):
      json["labels"] = .string(path)
      json["held-out"] = .string(heldOut)
    case .images(let path, let heldOut):
      json["images"] = .string(path)
      json["held-out"] = .double(heldOut)
    }
    if let distillation {
      switch distillation.teacher {
      case .models(let paths): json["teacher"] = .array(paths.map { .string($0) })
      case .peers(let peers):
        json["members"] = [
          "folder": .string(peers.folder), "member": .int(peers.member), "of": .int(peers.count),
          "every": .int(peers.every), "burn-in": .int(peers.burnIn),
        ]
      }
      json["teacher-dropout"] = .number(distillation.dropout)
      json["teacher-samples"] = .int(distillation.samples)
      json["temperature"] = .number(distillation.temperature)
      json["soft"] = .number(distillation.soft)
      json["hidden"] = .number(distillation.hidden)
      json["by-layer"] = .bool(distillation.byLayer)
    }
    switch compression {
    case .sparsity(let sparsity):
      json["sparsity"] = [
        "method": .string(sparsity.method.rawValue), "of": .string(sparsity.unit.rawValue),
        "target": .number(sparsity.target), "until": .double(sparsity.until),
        "schedule": .string(sparsity.schedule.rawValue), "every": .int(sparsity.every),
      ]
    case .quantization(let quantization):
      json["quantization"] = [
        "bits": .int(quantization.bits), "group-size": .int(quantization.groupSize),
        "until": .double(quantization.until), "schedule": .string(quantization.schedule.rawValue),
        "every": .int(quantization.every),
      ]
    case nil: break
    }
    switch end {
    case .steps(let steps): json["steps"] = .int(steps)
    case .seconds(let seconds): json["time"] = .double(seconds)
    }
    return json
  }
}

extension TrainingRecipe.Start {
  /// The path of the model that it starts from, or of which it has the tokens; nil for one of bytes.
  var path: String? {
    switch self {
    case .new(let shape): shape.vocabularyOf
    case .model(let path), .layers(of: let path, _): path
    }
  }

  /// What is left of a model where only some layers are taken.
  func cut(_ model: Model) throws(TrainingDataError) -> Model {
    guard case .layers(let path, let every) = self else { return model }
    let count: Int =
      switch model {
      case .decoder(let decoder): decoder.layers.count
      case .encoder(let encoder): encoder.layers.count
      }
    guard every <= count else {
      throw TrainingDataError("\(path): it has \(count) layers, so 'every' is at most that.")
    }
    return model.keeping(layers: Array(stride(from: 0, to: count, by: every)))
  }
}

extension JSONValue {
  /// A number with the digits that tell it from its neighbours in single precision.
  fileprivate static func number(_ value: Float) -> JSONValue { .double(Double("\(value)") ?? Double(value)) }
}

extension Optimizer.Rule {
  /// The weight decay.
  var decay: Float {
    switch self {
    case .adamW(_, _, _, let decay), .momentum(_, let decay): decay
    }
  }

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

  /// A recipe with a teacher, or without one, for the other command.
  public static func teacher(isNamed: Bool) -> TrainingRecipeError {
    isNamed
      ? TrainingRecipeError("'teacher' and 'members' are for pith distill: use that, or leave them out.")
      : TrainingRecipeError(
        "it names no 'teacher', nor 'members' that teach each other: name one, or use pith train.")
  }
}
