import Yams

extension TrainingRecipe {
  /// A recipe from its YAML text, checked.
  ///
  /// - Throws: `TrainingRecipeError` naming an unknown key or a value that is none.
  public init(yaml: String) throws(TrainingRecipeError) {
    let root: Node?
    do { root = try Yams.compose(yaml: yaml) } catch {
      let line = "\(error)".split(separator: "\n").first ?? "unreadable"
      throw TrainingRecipeError("it is not YAML: \(line)\(line.hasSuffix(".") ? "" : ".")")
    }
    guard let mapping = root?.mapping else {
      throw TrainingRecipeError("it must be a mapping of keys to values.")
    }
    self.init()
    if mapping["steps"] != nil, mapping["time"] != nil {
      throw TrainingRecipeError("'steps' and 'time' both say when it ends: give one of them.")
    }
    if mapping["sparsity"] != nil, mapping["quantization"] != nil {
      throw TrainingRecipeError("'sparsity' and 'quantization' both compress: give one of them.")
    }
    var decayOfWeights: Float?
    for (key, value) in mapping {
      switch key.string ?? "?" {
      case "model": start = try Self.start(value)
      case "text", "labels", "images", "held-out", "teacher", "members": break
      case let key where Self.teachingKeys.contains(key): break
      case "window": window = try Self.whole("window", value)
      case "batch": batch = try Self.whole("batch", value)
      case "parts": parts = try Self.whole("parts", value)
      case "steps": end = .steps(try Self.whole("steps", value))
      case "time":
        guard let seconds = value.scalar.flatMap({ Self.seconds($0.string) }) else {
          throw TrainingRecipeError("'time' must be written as 90s, 10m or 1h.")
        }
        end = .seconds(seconds)
      case "optimizer":
        switch try Self.text("optimizer", value) {
        case "adamw": optimizer = TrainingRecipe().optimizer
        case "momentum": optimizer = .momentum()
        case let name: throw TrainingRecipeError("'\(name)' is no optimizer: choose adamw or momentum.")
        }
      case "weight-decay": decayOfWeights = Float(try Self.number("weight-decay", value))
      case "learning-rate": learningRate = Float(try Self.number("learning-rate", value))
      case "warm-up": warmUp = try Self.whole("warm-up", value)
      case "decay": decay = try Self.choice("decay", value)
      case "clipping": clipping = Float(try Self.number("clipping", value))
      case "dropout": dropout = Float(try Self.number("dropout", value))
      case "label-smoothing": labelSmoothing = Float(try Self.number("label-smoothing", value))
      case "recompute":
        guard let known = value.bool else { throw TrainingRecipeError("'recompute' must be true or false.") }
        recompute = known
      case "evaluate-every": evaluateEvery = try Self.whole("evaluate-every", value)
      case "sparsity": compression = .sparsity(try Self.sparsity(value))
      case "quantization": compression = .quantization(try Self.quantization(value))
      case "keep": keep = try Self.choice("keep", value)
      case "seed":
        let number = try Self.whole("seed", value)
        guard number >= 0 else { throw TrainingRecipeError("'seed' must be 0 or more.") }
        seed = UInt64(number)
      case let other:
        throw TrainingRecipeError(
          "'\(other)' is no key of a recipe: use \(Self.keys.joined(separator: ", ")).")
      }
    }
    try read(mapping)
    if case .steps(let steps) = end, mapping["warm-up"] == nil { warmUp = min(warmUp, steps / 10) }
    if let decayOfWeights {
      switch optimizer {
      case .adamW(let beta1, let beta2, let epsilon, _):
        optimizer = .adamW(beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decayOfWeights)
      case .momentum(let momentum, _): optimizer = .momentum(momentum, decay: decayOfWeights)
      }
    }
    try check()
  }

  /// Reads the keys that belong together: data with what is held out, and a teacher with what is learned from it.
  private mutating func read(_ mapping: Node.Mapping) throws(TrainingRecipeError) {
    let heldOut = mapping["held-out"]
    func share() throws(TrainingRecipeError) -> Double {
      try heldOut.map { node throws(TrainingRecipeError) in try Self.number("held-out", node) } ?? 0.1
    }
    switch (mapping["text"], mapping["labels"], mapping["images"]) {
    case (let text?, nil, nil): data = .text(path: try Self.text("text", text), heldOut: try share())
    case (nil, let labels?, nil):
      let path = try heldOut.map { node throws(TrainingRecipeError) in try Self.text("held-out", node) }
      data = .labels(path: try Self.text("labels", labels), heldOut: path ?? "")
    case (nil, nil, let images?): data = .images(path: try Self.text("images", images), heldOut: try share())
    case (nil, nil, nil):
      throw TrainingRecipeError("'text', 'labels' or 'images' must be given: what is learned from.")
    default: throw TrainingRecipeError("'text', 'labels' and 'images' are different tasks: give one of them.")
    }
    guard let teacher = try Self.teacher(mapping) else {
      for key in Self.teachingKeys where mapping[key] != nil {
        throw TrainingRecipeError("'\(key)' says what is learned from a teacher: name one with 'teacher'.")
      }
      return
    }
    var distillation = Distillation(teacher: teacher)
    if let node = mapping["teacher-dropout"] {
      distillation.dropout = Float(try Self.number("teacher-dropout", node))
    }
    if let node = mapping["teacher-samples"] {
      distillation.samples = try Self.whole("teacher-samples", node)
    }
    if let node = mapping["temperature"] {
      distillation.temperature = Float(try Self.number("temperature", node))
    }
    if let node = mapping["soft"] { distillation.soft = Float(try Self.number("soft", node)) }
    if let node = mapping["hidden"] { distillation.hidden = Float(try Self.number("hidden", node)) }
    if let node = mapping["by-layer"] {
      guard let known = node.bool else { throw TrainingRecipeError("'by-layer' must be true or false.") }
      distillation.byLayer = known
    }
    self.distillation = distillation
  }

  /// What goes while the rest learns.
  private static func sparsity(_ node: Node) throws(TrainingRecipeError) -> Sparsity {
    guard let mapping = node.mapping else {
      throw TrainingRecipeError("'sparsity' must be a mapping, such as {method: magnitude, target: 80%}.")
    }
    var sparsity = Sparsity()
    for (key, value) in mapping {
      switch key.string ?? "?" {
      case "method": sparsity.method = try choice("method", value)
      case "of": sparsity.unit = try choice("of", value)
      case "schedule": sparsity.schedule = try choice("schedule", value)
      case "target": sparsity.target = Float(try share("target", value))
      case "until": sparsity.until = try share("until", value)
      case "every": sparsity.every = try whole("every", value)
      case let other:
        throw TrainingRecipeError(
          "'\(other)' is no key of 'sparsity': use method, of, target, until, schedule, every.")
      }
    }
    for key in ["schedule", "every"] where mapping[key] != nil && sparsity.method != .magnitude {
      throw TrainingRecipeError("'\(key)' is for magnitude: leave it out with \(sparsity.method.rawValue).")
    }
    return sparsity
  }

  /// What becomes integers while the rest learns.
  private static func quantization(_ node: Node) throws(TrainingRecipeError) -> Quantization {
    guard let mapping = node.mapping else {
      throw TrainingRecipeError("'quantization' must be a mapping, such as {bits: 3, group-size: 64}.")
    }
    var quantization = Quantization()
    for (key, value) in mapping {
      switch key.string ?? "?" {
      case "bits": quantization.bits = try whole("bits", value)
      case "group-size": quantization.groupSize = try whole("group-size", value)
      case "until": quantization.until = try share("until", value)
      case "schedule": quantization.schedule = try choice("schedule", value)
      case "every": quantization.every = try whole("every", value)
      case let other:
        throw TrainingRecipeError(
          "'\(other)' is no key of 'quantization': use bits, group-size, until, schedule, every.")
      }
    }
    return quantization
  }

  /// One of a few words.
  private static func choice<Value: RawRepresentable & CaseIterable>(
    _ key: String, _ node: Node
  ) throws(TrainingRecipeError) -> Value where Value.RawValue == String {
    let name = try text(key, node)
    guard let value = Value(rawValue: name) else {
      let all = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw TrainingRecipeError("'\(name)' is no '\(key)': choose one of \(all).")
    }
    return value
  }

  /// A share, as a number or with a percent sign.
  private static func share(_ key: String, _ node: Node) throws(TrainingRecipeError) -> Double {
    guard let text = node.scalar?.string, text.hasSuffix("%") else { return try number(key, node) }
    guard let percent = Double(text.dropLast()) else {
      throw TrainingRecipeError("'\(key)' must be a share, such as 0.8 or 80%.")
    }
    return percent / 100
  }

  /// One teacher, a list of them, or members that teach each other; nil for none.
  private static func teacher(_ mapping: Node.Mapping) throws(TrainingRecipeError) -> Distillation.Teacher? {
    switch (mapping["teacher"], mapping["members"]) {
    case (nil, nil): return nil
    case (.some, .some): throw TrainingRecipeError("'teacher' and 'members' both teach: give one of them.")
    case (let node?, nil):
      guard let list = node.sequence else { return .models([try text("teacher", node)]) }
      guard !list.isEmpty else { throw TrainingRecipeError("'teacher' must name at least one model.") }
      return .models(try list.map { node throws(TrainingRecipeError) in try text("teacher", node) })
    case (nil, let node?):
      guard let own = node.mapping, let folder = own["folder"] else {
        throw TrainingRecipeError("'members' must be a mapping with the 'folder' that they share.")
      }
      var peers = Peers(folder: try text("folder", folder))
      for (key, value) in own {
        switch key.string ?? "?" {
        case "folder": break
        case "member": peers.member = try whole("member", value)
        case "of": peers.count = try whole("of", value)
        case "every": peers.every = try whole("every", value)
        case "burn-in": peers.burnIn = try whole("burn-in", value)
        case let other:
          throw TrainingRecipeError(
            "'\(other)' is no key of 'members': use folder, member, of, every, burn-in.")
        }
      }
      return .peers(peers)
    }
  }

  /// What is said of a teacher.
  private static let teachingKeys = [
    "temperature", "soft", "hidden", "teacher-dropout", "teacher-samples", "by-layer",
  ]

  private static let keys = [
    "model", "text", "labels", "images", "held-out", "teacher", "members", "temperature", "soft", "hidden",
    "by-layer",
    "teacher-dropout",
    "teacher-samples", "window", "batch",
    "parts", "steps", "time", "optimizer", "weight-decay",
    "learning-rate", "warm-up", "decay", "clipping", "dropout", "label-smoothing", "recompute",
    "evaluate-every", "keep", "sparsity", "quantization", "seed",
  ]

  private static func start(_ node: Node) throws(TrainingRecipeError) -> Start {
    if let path = node.scalar?.string { return .model(path: path) }
    if let mapping = node.mapping, let path = mapping["layers-of"] {
      let every = try mapping["every"].map { node throws(TrainingRecipeError) in try whole("every", node) }
      guard mapping.count == (every == nil ? 1 : 2) else {
        throw TrainingRecipeError("'model' with 'layers-of' has one more key, 'every'.")
      }
      return .layers(of: try text("layers-of", path), every: every ?? 2)
    }
    guard let shape = node.mapping?["new"]?.mapping, node.mapping?.count == 1 else {
      throw TrainingRecipeError(
        "'model' must be the path of a model, 'layers-of' one, or a mapping 'new' with its shape.")
    }
    var made = NewModel()
    for (key, value) in shape {
      switch key.string ?? "?" {
      case "layers": made.layers = try whole("layers", value)
      case "width": made.width = try whole("width", value)
      case "heads": made.heads = try whole("heads", value)
      case "feed-forward": made.feedForward = try whole("feed-forward", value)
      case "context": made.context = try whole("context", value)
      case "density": made.mask.density = Float(try number("density", value))
      case "mask":
        let name = try text("mask", value)
        guard let pattern = StaticMask.Pattern(rawValue: name) else {
          let known = StaticMask.Pattern.allCases.map(\.rawValue).joined(separator: ", ")
          throw TrainingRecipeError("'\(name)' is no mask: choose one of \(known).")
        }
        made.mask.pattern = pattern
      case "vocabulary-of": made.vocabularyOf = try text("vocabulary-of", value)
      case let other:
        throw TrainingRecipeError(
          "'\(other)' is no key of a new model: use layers, width, heads, feed-forward, context, density, mask, vocabulary-of."
        )
      }
    }
    return .new(made)
  }

  private static func text(_ key: String, _ node: Node) throws(TrainingRecipeError) -> String {
    guard let text = node.scalar?.string, !text.isEmpty else {
      throw TrainingRecipeError("'\(key)' must be a single value.")
    }
    return text
  }

  private static func whole(_ key: String, _ node: Node) throws(TrainingRecipeError) -> Int {
    guard let number = node.int else { throw TrainingRecipeError("'\(key)' must be a whole number.") }
    return number
  }

  private static func number(_ key: String, _ node: Node) throws(TrainingRecipeError) -> Double {
    guard let number = node.float, number.isFinite else {
      throw TrainingRecipeError("'\(key)' must be a number.")
    }
    return number
  }

  /// The seconds of a time such as 90s, 10m or 1h; nil if the text is none.
  public static func seconds(_ text: String) -> Double? {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
    guard let unit = text.last.flatMap({ units[$0] }), let number = Double(text.dropLast()), number.isFinite
    else { return nil }
    return number * unit
  }
}
