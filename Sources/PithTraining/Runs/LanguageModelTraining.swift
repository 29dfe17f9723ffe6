import CPithKernels
import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTokenizers

/// The training of a decoder on a text, from a recipe to a folder in Hugging Face's layout; killed at any moment it goes on where it
/// was last kept.
///
///     let run = try LanguageModelTraining(recipe, output: "model", pool: pool)
///     let report = try run.train { print($0.step, $0.loss) }
public struct LanguageModelTraining {
  /// How far a training is.
  public struct Progress: Sendable {
    /// Steps that are done.
    public let step: Int
    /// The share that is done.
    public let share: Double
    /// The mean loss of the last steps, in nats.
    public let loss: Double
    /// The loss on what is held out, where it was just measured.
    public let heldOutLoss: Double?
    /// Tokens learned from per second.
    public let tokensPerSecond: Double
  }

  /// What came of it.
  public struct Report: Sendable {
    /// Steps that were done.
    public let steps: Int
    /// The loss on what is held out, in nats.
    public let heldOutLoss: Double
    /// Learned values.
    public let parameters: Int
    /// Seconds in all.
    public let seconds: Double
  }

  /// The recipe.
  public let recipe: TrainingRecipe
  /// Where the model will appear.
  public let output: String

  private let decoder: Decoder
  private let windows: TokenWindows
  private let configuration: JSONValue
  private let files: [(name: String, bytes: [UInt8])]
  private let textDigest: String
  private let pool: ThreadPool

  /// Reads the model and the text.
  ///
  /// - Throws: `CheckpointError` or `TokenizerError` if one cannot be read, `TrainingDataError` if the text is too short.
  public init(_ recipe: TrainingRecipe, output: String, pool: ThreadPool) throws {
    self.recipe = recipe
    self.output = output
    self.pool = pool
    guard let data = FileManager.default.contents(atPath: recipe.text) else {
      throw CheckpointError.missing(path: recipe.text)
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw TrainingDataError("\(recipe.text): it is not UTF-8; give a text.")
    }
    textDigest = Digest.of(Array(data))
    let tokens: [Int32]
    switch recipe.start {
    case .new(let shape):
      decoder = shape.decoder(vocabulary: ByteTokenizer.count, seed: recipe.seed)
      tokens = data.map { Int32($0) }
      configuration = shape.huggingFace(vocabulary: ByteTokenizer.count)
      files = [("tokenizer.json", ByteTokenizer.json.serialized(.pretty))]
    case .model(let path):
      let checkpoint = try Checkpoint(path: path)
      guard case .decoder(let decoder) = try checkpoint.model() else {
        throw TrainingDataError("\(path): it is no decoder; a text is learned by one.")
      }
      self.decoder = decoder
      tokens = try checkpoint.tokenizer().encode(text)
      configuration = try checkpoint.huggingFaceConfiguration()
      files = try checkpoint.companionFiles()
    }
    guard let windows = TokenWindows(tokens, heldOut: recipe.heldOut, window: recipe.window) else {
      throw TrainingDataError(
        "\(recipe.text): its \(tokens.count) tokens give no window of \(recipe.window) to learn from and one to hold out; give a longer text or a smaller window."
      )
    }
    self.windows = windows
  }

  /// The number of values that are learned.
  public var parameterCount: Int { Parameters(decoder).count }

  /// Tokens to learn from and tokens held out.
  public var tokens: (learned: Int, heldOut: Int) { (windows.tokens.count, windows.heldOut.count) }

  private var workspace: String {
    let place = URL(filePath: output)
    return place.deletingLastPathComponent().appending(path: ".\(place.lastPathComponent).training").path
  }

  /// Trains to the end and writes the model.
  ///
  /// - Parameters:
  ///   - resume: whether to go on where a training of the same recipe was last kept.
  ///   - force: whether unfinished work, or a model in the place of the output, may be replaced.
  ///   - keepEvery: steps after which the state is kept; nil for each minute.
  ///   - progress: called after each step; what it throws ends the training, which can go on from there.
  /// - Throws: `TrainingError` if the loss is no number (the last state is kept), `CheckpointError` if something cannot be written.
  public func train(
    resume: Bool = false, force: Bool = false, keepEvery: Int? = nil,
    progress: (Progress) throws -> Void = { _ in }
  ) throws -> Report {
    try StagedFolder.check(output, overwrite: force)
    // A step makes and lets go of the same matrices as the one before; the system would clear their pages each time.
    pith_keep_freed_memory()
    let parameters = Parameters(decoder, on: pool)
    let steps: Int? = if case .steps(let steps) = recipe.end { steps } else { nil }
    let schedule = Schedule(
      peak: recipe.learningRate, warmUp: recipe.warmUp, steps: steps ?? .max, decay: recipe.decay)
    var training = Training(
      parameters, optimizer: Optimizer(recipe.optimizer), schedule: schedule, clipping: recipe.clipping,
      pool: pool)
    var key = recipe.json
    key["text"] = .string(textDigest)
    let state = TrainingState(path: workspace + "/state.safetensors", key: key)
    let log = StepLog(path: workspace + "/steps.jsonl")
    let earlier = try begin(resume: resume, force: force, state, &training, log)

    let clock = ContinuousClock()
    let start = clock.now
    var kept = start
    func elapsed() -> Double { earlier + (clock.now - start) / .seconds(1) }
    func share() -> Double {
      switch recipe.end {
      case .steps(let steps): Double(training.optimizer.steps) / Double(steps)
      case .seconds(let seconds): elapsed() / seconds
      }
    }
    var measured: Double?
    var recent: [Double] = []
    let first = training.optimizer.steps
    while share() < 1 {
      let done = try step(&training, share: share())
      let steps = training.optimizer.steps
      recent = recent.suffix(49) + [done.loss]
      measured = nil
      if steps % recipe.evaluateEvery == 0 { measured = heldOutLoss(parameters) }
      try log.append(done, steps: steps, heldOutLoss: measured, seconds: elapsed())
      if keepEvery.map({ steps % $0 == 0 }) ?? (clock.now - kept > .seconds(60)) {
        try state.keep(training, elapsed: elapsed(), shownAs: output)
        kept = clock.now
      }
      try progress(
        Progress(
          step: steps, share: min(1, share()), loss: recent.reduce(0, +) / Double(recent.count),
          heldOutLoss: measured,
          tokensPerSecond: Double((steps - first) * recipe.batch * recipe.window)
            / max(1e-9, (clock.now - start) / .seconds(1))))
    }
    let loss = measured ?? heldOutLoss(parameters)
    let report = Report(
      steps: training.optimizer.steps, heldOutLoss: loss, parameters: parameters.count, seconds: elapsed())
    try write(parameters, report, log)
    return report
  }

  /// Makes the folder of unfinished work, or finds it; the seconds of what was done before.
  private func begin(
    resume: Bool, force: Bool, _ state: TrainingState, _ training: inout Training, _ log: StepLog
  ) throws -> Double {
    let files = FileManager.default
    if files.fileExists(atPath: workspace), !resume {
      guard force else {
        throw CheckpointError.cannotCreate(
          path: output, fault: "there is an unfinished training of it",
          mend: "go on with --resume, or begin anew with --force")
      }
      try files.removeItem(atPath: workspace)
    }
    do { try files.createDirectory(atPath: workspace, withIntermediateDirectories: false) } catch {
      guard files.fileExists(atPath: workspace) else {
        throw CheckpointError.cannotCreate(
          path: output, fault: "its folder cannot be written to", mend: "choose a place that can")
      }
    }
    let earlier = try state.restore(&training) ?? 0
    try log.cut(after: training.optimizer.steps)
    if training.optimizer.steps == 0 { try state.keep(training, elapsed: 0, shownAs: output) }
    return earlier
  }

  private func step(_ training: inout Training, share: Double) throws(TrainingError) -> Training.Step {
    let (parameters, step) = (training.parameters, training.optimizer.steps)
    let parts = (0..<recipe.parts).map { part in
      windows.part(
        ofStep: step * recipe.parts + part, windows: recipe.batch / recipe.parts, seed: recipe.seed)
    }
    let byTime: Float? = if case .seconds = recipe.end { Float(share) } else { nil }
    return try training.step(
      parts, atShare: byTime,
      on: { part in
        let dropout =
          recipe.dropout > 0
          ? Dropout(rate: recipe.dropout, seed: recipe.seed &+ UInt64(step) &* 0xA24B_AED4_963E_E407) : nil
        return Differentiation(part.batch, parameters, dropout: dropout, pool: pool)
      }
    ) { part, run, weight in
      let states =
        recipe.recompute
        ? decoder.states(part.batch.tokens, recomputing: &run) : decoder.states(part.batch.tokens, &run)
      return run.crossEntropy(
        states, behind: decoder.head, targets: part.targets, smoothing: recipe.labelSmoothing, weight: weight)
    }
  }

  private func heldOutLoss(_ parameters: Parameters) -> Double {
    let now = parameters.applied(to: decoder)
    let parts = windows.heldOutParts(windows: max(1, 4096 / recipe.window))
    let sums = parts.map { now.loss($0, pool: pool) * Double($0.targets.count) }
    return sums.reduce(0, +) / Double(parts.reduce(0) { $0 + $1.targets.count })
  }

  /// Writes the model, with the curve and the report beside the weights, and lets go of unfinished work.
  private func write(_ parameters: Parameters, _ report: Report, _ log: StepLog) throws {
    let folder = try StagedFolder(output, filledAt: workspace + "/output", overwrite: true)
    let contents = ModelContents(parameters.applied(to: decoder))
    var configuration = configuration
    configuration["torch_dtype"] = "float32"
    configuration["quantization_config"] = nil
    let steps = try log.contents()
    _ = try folder.writeCheckpoint(
      matrices: contents.maps.map { ($0.name, $0.map.weight) }, vectors: contents.vectors,
      configuration: configuration, files: files)
    try folder.write(Array(steps.utf8), to: "steps.jsonl")
    try folder.write(Array(log.curve(of: steps).svg.utf8), to: "loss.svg")
    let json: JSONValue = [
      "recipe": recipe.json, "steps": .int(report.steps), "validation_loss": .double(report.heldOutLoss),
      "parameters": .int(report.parameters), "seconds": .double(report.seconds),
      "threads": .int(pool.threads),
    ]
    try folder.write(json.serialized(.pretty), to: "training.json")
    try folder.commit()
    try? FileManager.default.removeItem(atPath: workspace)
  }
}

/// What is wrong with the data of a training, in one sentence.
public struct TrainingDataError: Error, Equatable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  init(_ description: String) { self.description = description }
}
