import CPithKernels
import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTokenizers

/// A training from a recipe to a folder in Hugging Face's layout; killed at any moment it goes on where it was last kept.
///
///     let run = try TrainingRun(recipe, output: "model", pool: pool)
///     let report = try run.train { print($0.step, $0.loss) }
public struct TrainingRun {
  /// How far a training is.
  public struct Progress: Sendable {
    /// Steps that are done.
    public let step: Int
    /// The share that is done.
    public let share: Double
    /// The mean loss of the last steps, in nats.
    public let loss: Double
    /// How good the model is on what is held out, where it was just measured.
    public let heldOut: HeldOutQuality?
    /// The share of what can be compressed meanwhile that is, or is expected to be; nil where nothing is compressed.
    public let compressed: Double?
    /// Tokens learned from per second.
    public let tokensPerSecond: Double
  }

  /// What came of it.
  public struct Report: Sendable {
    /// Steps that were done.
    public let steps: Int
    /// How good the model is on what is held out.
    public let heldOut: HeldOutQuality
    /// The steps after which the model was as it is: fewer than all where the best is kept.
    public let keptSteps: Int
    /// Learned values.
    public let parameters: Int
    /// Seconds in all.
    public let seconds: Double
    /// What went otherwise than hoped for, a sentence each.
    public var notes: [String] = []
  }

  /// The recipe.
  public let recipe: TrainingRecipe
  /// Where the model will appear.
  public let output: String

  private let task: any TrainingTask
  private let pool: ThreadPool

  /// Reads the model, the teacher if there is one, and the data.
  ///
  /// - Throws: `CheckpointError` or `TokenizerError` if one cannot be read, `TrainingDataError` if they do not fit together.
  public init(_ recipe: TrainingRecipe, output: String, pool: ThreadPool) throws {
    self.recipe = recipe
    self.output = output
    self.pool = pool
    switch recipe.data {
    case .text(let path, let heldOut):
      task = try TextTask(recipe, text: path, heldOut: heldOut, pool: pool)
    case .labels, .images: task = try LabelTask(recipe, pool: pool)
    }
  }

  /// A training of a model that is there on tokens that are there, like another one. Learned is what its layers have that can be stored
  /// as it was, and the last norm.
  ///
  /// - Parameters:
  ///   - recipe: how; where it says what is trained on what, that is only recorded.
  ///   - digest: what the tokens are known by: a training of others cannot be resumed.
  /// - Throws: `CheckpointError` if the student cannot be read, `TrainingDataError` if they do not fit together.
  public init(
    _ recipe: TrainingRecipe, student: Checkpoint, teacher: Decoder, windows: TokenWindows, digest: String,
    output: String, pool: ThreadPool
  ) throws {
    self.recipe = recipe
    self.output = output
    self.pool = pool
    task = try TextTask(recipe, student, teacher: teacher, windows: windows, digest: digest, pool: pool)
  }

  /// The number of values that are learned.
  public var parameterCount: Int { task.parameterCount }

  /// What there is to learn from, in a few words.
  public var summary: String { task.summary }

  private var workspace: String {
    let place = URL(filePath: output)
    return place.deletingLastPathComponent().appending(path: ".\(place.lastPathComponent).training").path
  }

  /// A file in unfinished work that was begun with the leave to replace a model.
  private var replaces: String { workspace + "/replaces" }

  /// Trains to the end and writes the model.
  ///
  /// - Parameters:
  ///   - resume: whether to go on where a training of the same recipe was last kept.
  ///   - force: whether unfinished work, or a model in the place of the output, may be replaced.
  ///   - keepEvery: steps after which the state is kept; nil for each minute, less often where it would take more than a thirtieth of the time.
  ///   - progress: called after each step; what it throws ends the training, which can go on from the last state that was kept.
  /// - Throws: `TrainingError` if the loss is no number (the last state is kept), if the time is over before the first step, or if the model cannot be compressed as the
  ///   recipe says, `CheckpointError` if something cannot be written.
  public func train(
    resume: Bool = false, force: Bool = false, keepEvery: Int? = nil,
    progress: (Progress) throws -> Void = { _ in }
  ) throws -> Report {
    let mayReplace = force || resume && FileManager.default.fileExists(atPath: replaces)
    try StagedFolder.check(output, overwrite: mayReplace)
    // A step makes and lets go of the same matrices as the one before; the system would clear their pages each time.
    pith_keep_freed_memory()
    if recipe.distillation?.byLayer == true, let task = task as? TextTask {
      return try trainByLayer(task, resume, force, progress)
    }
    return try train(task, resume, force, keepEvery, progress)
  }

  private func train<Task: TrainingTask>(
    _ task: Task, _ resume: Bool, _ force: Bool, _ keepEvery: Int?, _ progress: (Progress) throws -> Void
  ) throws -> Report {
    let steps: Int? = if case .steps(let steps) = recipe.end { steps } else { nil }
    let schedule = Schedule(
      peak: recipe.learningRate, warmUp: recipe.warmUp, steps: steps ?? .max, decay: recipe.decay)
    var training = Training(
      task.parameters, optimizer: Optimizer(recipe.optimizer), schedule: schedule,
      clipping: recipe.clipping, pool: pool)
    training.compression = try recipe.compression(of: task.parameters)
    let (state, log) = (state(of: task), log)
    let earlier = try begin(resume: resume, force: force, state, &training, log)

    let clock = ContinuousClock()
    let start = clock.now
    var (kept, pause) = (start, Duration.seconds(60))
    func elapsed() -> Double { earlier + (clock.now - start) / .seconds(1) }
    func share() -> Double {
      switch recipe.end {
      case .steps(let steps): Double(training.optimizer.steps) / Double(steps)
      case .seconds(let seconds): elapsed() / seconds
      }
    }
    var best = recipe.keep == .best ? try BestParameters(path: workspace + "/best.safetensors") : nil
    if best != nil, best?.quality == nil {
      try best?.offer(task.parameters, task.measure(), steps: 0, shownAs: output)
    }
    var measured: HeldOutQuality?
    var (recent, tokens): ([Double], Int) = ([], 0)
    try task.exchange(afterSteps: training.optimizer.steps)
    var isDone = share() >= 1
    // Of a training that was killed behind its last step.
    if isDone { try finish(&training, task, log, seconds: elapsed()) }
    while !isDone {
      let parts = task.parts(ofStep: training.optimizer.steps)
      let done: Training.Step
      do throws(TrainingError) { done = try step(task, parts, &training, share: share()) } catch {
        throw try explained(error, task, parts, training.optimizer.steps, elapsed(), log, best)
      }
      let steps = training.optimizer.steps
      try task.exchange(afterSteps: steps)
      tokens += parts.reduce(0) { $0 + task.batch(of: $1).count }
      recent = recent.suffix(49) + [done.loss]
      isDone = share() >= 1
      if isDone { try finish(&training, task, log, seconds: elapsed()) }
      measured = isDone || steps % recipe.evaluateEvery == 0 ? task.measure() : nil
      try log.append(
        done, steps: steps, heldOut: measured, compressed: training.compression?.share, seconds: elapsed())
      if let measured { try best?.offer(task.parameters, measured, steps: steps, shownAs: output) }
      if keepEvery.map({ steps % $0 == 0 }) ?? (clock.now - kept > pause) {
        let begun = clock.now
        try state.keep(training, elapsed: elapsed(), shownAs: output)
        kept = clock.now
        pause = max(.seconds(60), begun.duration(to: kept) * 30)
      }
      try progress(
        Progress(
          step: steps, share: min(1, share()), loss: recent.reduce(0, +) / Double(recent.count),
          heldOut: measured, compressed: training.compression?.share,
          tokensPerSecond: Double(tokens) / max(1e-9, (clock.now - start) / .seconds(1))))
    }
    if let best { try best.restore(task.parameters, on: pool) }
    let done = training.optimizer.steps
    guard done > 0 else { throw outOfTime() }
    let report = Report(
      steps: done, heldOut: best?.quality ?? measured ?? task.measure(), keptSteps: best?.steps ?? done,
      parameters: parameterCount, seconds: elapsed())
    guard report.heldOut.loss.isFinite else {
      throw TrainingError.notFinite(step: report.steps, place: "on what is held out", kept: nil)
    }
    try write(task.model(), report, log, to: output)
    try? FileManager.default.removeItem(atPath: workspace)
    return report
  }

  /// Compresses for good what is to be; a model that could not do with so little is written beside the output as it is.
  private func finish(
    _ training: inout Training, _ task: some TrainingTask, _ log: StepLog, seconds: Double
  ) throws {
    do throws(TrainingError) { try training.compression?.finish(on: pool) } catch {
      guard case .staysDense(let reached, let wanted, _) = error else { throw error }
      let (steps, kept) = (training.optimizer.steps, "\(output)-as-it-is")
      let report = Report(
        steps: steps, heldOut: task.measure(), keptSteps: steps, parameters: parameterCount, seconds: seconds)
      try write(task.model(), report, log, to: kept)
      throw TrainingError.staysDense(reached: reached, wanted: wanted, kept: kept)
    }
  }

  /// What is said of a step that failed; the model before it, or the best one, is written beside the output.
  private func explained<Task: TrainingTask>(
    _ error: TrainingError, _ task: Task, _ parts: [Task.Part], _ steps: Int, _ seconds: Double,
    _ log: StepLog, _ best: BestParameters?
  ) throws -> TrainingError {
    guard case .notFinite(let step, let place, _) = error else { return error }
    let layer = parts.lazy.compactMap { brokenLayer(task.current, task.batch(of: $0)) }.first
    if let best { try best.restore(task.parameters, on: pool) }
    let (heldOut, keptSteps) = (best?.quality ?? task.measure(), best?.steps ?? steps)
    var kept: String?
    if keptSteps > 0, heldOut.loss.isFinite {
      let report = Report(
        steps: steps, heldOut: heldOut, keptSteps: keptSteps, parameters: parameterCount, seconds: seconds)
      kept = "\(output)-step-\(keptSteps)"
      try write(task.model(), report, log, to: kept!)
    }
    return .notFinite(step: step, place: layer.map { "behind layer \($0)" } ?? place, kept: kept)
  }

  /// The first layer whose states of a batch are not all numbers; nil if there is none.
  private func brokenLayer(_ model: Model, _ batch: Batch) -> Int? {
    var isWhole: [Bool] = []
    model.follow(batch, on: pool) { isWhole.append($0.values.allSatisfy(\.isFinite)) }
    // Before the first layer stands the embedding.
    return isWhole.firstIndex(of: false).map { max(0, $0 - 1) }
  }

  private func state(of task: some TrainingTask) -> TrainingState {
    var key = recipe.json
    key["data"] = .string(task.digest)
    return TrainingState(path: workspace + "/state.safetensors", key: key)
  }

  private var log: StepLog { StepLog(path: workspace + "/steps.jsonl") }

  /// Layer after layer; what was killed goes on with the layer that it was at.
  private func trainByLayer(
    _ task: TextTask, _ resume: Bool, _ force: Bool, _ progress: (Progress) throws -> Void
  ) throws -> Report {
    // Of the training as a whole only the number of steps is kept, and what it took; each layer has a file.
    var training = Training(
      task.parameters, schedule: Schedule(peak: recipe.learningRate, steps: .max), pool: pool)
    let (state, log) = (state(of: task), log)
    let earlier = try begin(resume: resume, force: force, state, &training, log)
    let clock = ContinuousClock()
    let start = clock.now
    func elapsed() -> Double { earlier + (clock.now - start) / .seconds(1) }

    var tuning = task.layerTuning()
    let count = tuning.student.layers.count
    while tuning.index < count,
      let layer = try LayerFile(workspace, tuning.index).read(
        like: tuning.student.layers[tuning.index], doneBefore: training.optimizer.steps)
    { tuning.take(layer) }
    var steps = training.optimizer.steps
    let first = steps
    var (diverged, late): ([Int], [Int]) = ([], [])
    while tuning.index < count {
      let index = tuning.index
      let end: TrainingRecipe.End =
        switch recipe.end {
        case .steps: recipe.end
        case .seconds(let seconds): .seconds(max(0, seconds - elapsed()) / Double(count - index))
        }
      let layer = try tuning.next(until: end) { done, share in
        steps += 1
        try log.append(done, steps: steps, heldOut: nil, seconds: elapsed())
        try progress(
          Progress(
            step: steps, share: (Double(index) + share) / Double(count), loss: done.loss, heldOut: nil,
            compressed: nil,
            tokensPerSecond: Double((steps - first) * recipe.batch * recipe.window)
              / max(1e-9, (clock.now - start) / .seconds(1))))
      }
      if layer?.diverged == true { diverged.append(index) } else if layer?.steps == 0 { late.append(index) }
      try LayerFile(workspace, index).write(tuning.student.layers[index], steps: steps, shownAs: output)
      training.optimizer = Optimizer(training.optimizer.rule, steps: steps, memories: [])
      try state.keep(training, elapsed: elapsed(), shownAs: output)
    }
    guard steps > 0 || !diverged.isEmpty else { throw outOfTime() }
    var report = Report(
      steps: steps, heldOut: task.measure(tuning.student), keptSteps: steps, parameters: parameterCount,
      seconds: elapsed())
    if !diverged.isEmpty {
      report.notes.append(
        "the loss of \(Self.layers(diverged)) was no longer a number: what was there is kept, and a smaller learning rate mends that"
      )
    }
    if !late.isEmpty {
      report.notes.append("there was no time for \(Self.layers(late)): allow more")
    }
    try write(task.model(tuning.student), report, log, to: output)
    try? FileManager.default.removeItem(atPath: workspace)
    return report
  }

  /// Of a training that could not begin nothing is kept.
  private func outOfTime() -> TrainingError {
    try? FileManager.default.removeItem(atPath: workspace)
    return .noTime
  }

  /// Some layers in words.
  private static func layers(_ places: [Int]) -> String {
    places.count == 1 ? "layer \(places[0])" : "layers " + places.map(String.init).joined(separator: ", ")
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
    if force { _ = files.createFile(atPath: replaces, contents: nil) }
    let earlier = try state.restore(&training) ?? 0
    try log.cut(after: training.optimizer.steps)
    if training.optimizer.steps == 0 { try state.keep(training, elapsed: 0, shownAs: output) }
    return earlier
  }

  private func step<Task: TrainingTask>(
    _ task: Task, _ parts: [Task.Part], _ training: inout Training, share: Double
  ) throws(TrainingError) -> Training.Step {
    let byTime: Float? = if case .seconds = recipe.end { Float(share) } else { nil }
    // Each part of each step has masks of its own.
    var seed = recipe.seed &+ UInt64(training.optimizer.steps) &* 0xA24B_AED4_963E_E407
    return try training.step(
      parts, atShare: byTime,
      on: { part in
        defer { seed = seed &+ 0x8CB9_2BA7_2F3D_8DD7 }
        let dropout = recipe.dropout > 0 ? Dropout(rate: recipe.dropout, seed: seed) : nil
        return Differentiation(task.batch(of: part), task.parameters, dropout: dropout, pool: pool)
      }
    ) { part, run, weight in task.loss(of: part, &run, weight: weight) }
  }

  /// Writes the model, with the curve and the report beside the weights.
  private func write(_ trained: TrainedModel, _ report: Report, _ log: StepLog, to path: String) throws {
    let folder = try StagedFolder(path, filledAt: workspace + "/output", overwrite: true)
    var (model, configuration, files) = trained
    let contents = ModelContents(model)
    configuration.setType(.float32)
    configuration["quantization_config"] = nil
    let steps = try log.contents()
    _ = try folder.writeCheckpoint(
      matrices: contents.maps.map { ($0.name, $0.map.weight) }, vectors: contents.vectors,
      configuration: configuration, files: files)
    try folder.write(Array(steps.utf8), to: "steps.jsonl")
    try folder.write(Array(log.curve(of: steps).svg.utf8), to: "loss.svg")
    var json: JSONValue = [
      "recipe": recipe.json, "steps": .int(report.steps), "validation_loss": .double(report.heldOut.loss),
      "parameters": .int(report.parameters), "seconds": .double(report.seconds),
      "threads": .int(pool.threads),
    ]
    if let accuracy = report.heldOut.accuracy { json["validation_accuracy"] = .double(accuracy) }
    if let divergence = report.heldOut.divergence { json["validation_divergence"] = .double(divergence) }
    if report.keptSteps != report.steps { json["kept_step"] = .int(report.keptSteps) }
    try folder.write(json.serialized(.pretty), to: "training.json")
    try folder.commit()
  }
}
