import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithQuantization
import PithTensors
import PithWeights

/// A whole model through a recipe, into a new checkpoint.
///
///     let recipe = try Recipe(steps: [Recipe.Step(.named("gptq")!)])
///     let compression = Compression(recipe, calibration: calibration)
///     let result = try compression.run(Checkpoint(path: "model.gguf"), to: "small", on: pool)
///
/// Where a step needs calibration, its tokens go through the model once, layer by layer; each matrix is compressed
/// when they reach it, and what comes after sees what the compressed one made of them. Each group of matrices is
/// written as soon as it is done, so a run can be resumed.
public struct Compression: Sendable {
  /// The memory that calibration rows may take by default, in bytes.
  public static let defaultMemory = 250_000_000

  let recipe: Recipe
  let calibration: Calibration?
  let memory: Int

  /// What a compression is told on the way.
  public struct Settings: Sendable {
    /// Whether what is at the output may be replaced.
    public var overwrite = false
    /// Whether to go on with unfinished work.
    public var resumes = false
    /// Whether the report card says how good and how fast the output is.
    public var measures = true
    /// Training behind the steps; nil for none.
    public var tuning: Tuning?
    /// Whether the output is good enough to appear; one that is not is let go of.
    public var accepts: @Sendable (ReportCard) -> Bool = { _ in true }

    /// Settings, all as they usually are.
    public init(
      overwrite: Bool = false, resumes: Bool = false, measures: Bool = true, tuning: Tuning? = nil,
      accepts: @escaping @Sendable (ReportCard) -> Bool = { _ in true }
    ) {
      self.accepts = accepts
      self.overwrite = overwrite
      self.resumes = resumes
      self.measures = measures
      self.tuning = tuning
    }
  }

  /// A compression.
  ///
  /// - Parameters:
  ///   - calibration: what the model reads, for recipes that need it.
  ///   - memory: what calibration rows may take; the rest lies in a file beside the output.
  /// - Throws: `RecipeError.needsCalibration` if a step needs a text and there is none, or
  ///   `RecipeError.emptyCalibration` if it is empty.
  public init(_ recipe: Recipe, calibration: Calibration? = nil, memory: Int = defaultMemory)
    throws(RecipeError)
  {
    if calibration == nil {
      if recipe.drop?.needsCalibration == true { throw .needsCalibration("Choosing what to drop") }
      if let step = recipe.steps.first(where: \.needsCalibration) {
        throw .needsCalibration(step.method.name)
      }
    }
    if let calibration, calibration.tokens == 0 { throw .emptyCalibration(source: calibration.source) }
    self.recipe = recipe
    self.calibration = calibration
    self.memory = memory
  }

  /// Compresses a checkpoint; the output folder appears when all is done.
  ///
  /// - Parameters:
  ///   - source: the model.
  ///   - output: where the folder will appear.
  ///   - pool: the threads that share the work.
  ///   - progress: called with how many steps of how many are done: matrices, and before them layers that are cut.
  /// - Returns: the report card, which is also in the folder.
  /// - Throws: `CheckpointError`, `RecipeError` for a step that matches nothing, `CompressionError` naming the
  ///   matrix that a method could not take, or `TuningError` if what it made cannot be trained.
  public func run(
    _ source: Checkpoint, to output: String, _ settings: Settings = Settings(), on pool: ThreadPool,
    progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> ReportCard {
    try Self.preflight(recipe, source, to: output, settings, on: pool)
    let original = try source.model()
    try settings.tuning?.check(calibration, for: original)
    let job = Job(source, ModelContents(original), recipe, calibration)
    let workspace = try Workspace(
      output, job: job.key, resumes: settings.resumes, overwrite: settings.overwrite)
    do {
      let clock = ContinuousClock()
      let start = clock.now
      let (cuts, matrices) = try steps(original)
      let pruned = try prune(source, original, in: workspace, job, on: pool) { progress($0, cuts + matrices) }
      let model = try pruned?.model() ?? original
      let contents = ModelContents(model)
      var plan = try Plan(recipe, for: contents)
      plan.findCutoffs(contents, on: pool)
      let run = CompressionRun(
        model: model, plan: plan, workspace: workspace, compressor: GroupCompressor(plan: plan, pool: pool),
        progress: { progress(cuts + $0, cuts + matrices) })
      try run.compressAll(calibration, memory: memory)
      let shape = pruned ?? source
      var (made, compressed) = (run.model, run.compressed)
      var tuned: TuningReport?
      if let tuning = settings.tuning {
        let outcome = try tune(tuning, made, compressed, shape, like: source, in: workspace, on: pool)
        (made, compressed, tuned) = (outcome.model, [:], outcome.report)
      }
      let card = ReportCard(
        job: job, reports: run.reports, pruning: try pruned?.pruningReport(), tuning: tuned,
        seconds: (clock.now - start) / .seconds(1), threads: pool.threads)
      return try finish(
        made, compressed, shape, original: original, card, settings, in: workspace, on: pool)
    } catch let error as CompressionError {
      // The same would happen again: what is done so far is of no use.
      workspace.finish()
      throw error
    } catch CheckpointError.io(let path, let fault, let mend) where workspace.isKept {
      throw CheckpointError.io(path: path, fault: fault, mend: "\(mend), then go on with --resume")
    }
  }

  /// How many steps cutting takes, and how many matrices are then compressed.
  private func steps(_ model: Model) throws(RecipeError) -> (cuts: Int, matrices: Int) {
    let outline = try recipe.outline(model)
    let entries = try Plan(recipe, for: ModelContents(outline)).entries
    return (recipe.drop?.steps(to: ModelShape(outline)) ?? 0, entries.count { $0.quantizer != nil })
  }

  /// Cuts out what goes whole, unless that is done, and returns what is left; nil if nothing goes.
  private func prune(
    _ source: Checkpoint, _ model: Model, in workspace: Workspace, _ job: Job, on pool: ThreadPool,
    progress: @escaping (_ done: Int) -> Void
  ) throws -> Checkpoint? {
    guard let drop = recipe.drop else { return nil }
    let folder = workspace.prunedModel()
    if !FileManager.default.fileExists(atPath: folder) {
      try StructuredPruner(pruning: drop, calibration: calibration, memory: memory, pool: pool)
        .run(source, model, to: folder, job: job.key, progress: progress)
    }
    return try Checkpoint(path: folder)
  }

  /// Trains what the steps made, in the workspace.
  private func tune(
    _ tuning: Tuning, _ model: Model, _ compressed: [String: StoredMatrix], _ shape: Checkpoint,
    like source: Checkpoint, in workspace: Workspace, on pool: ThreadPool
  ) throws -> TuningRun.Outcome {
    let run = TuningRun(
      tuning: tuning, original: source, calibration: calibration!, folder: try workspace.tuningFolder(),
      pool: pool)
    if !FileManager.default.fileExists(atPath: run.start) {
      let folder = try StagedFolder(run.start, filledAt: run.start + ".partial", overwrite: true)
      _ = try write(model, compressed, shape, to: folder)
      try folder.commit()
    }
    return try run.run()
  }

  /// Writes a model, some of whose matrices are stored otherwise; the names of all files.
  private func write(
    _ model: Model, _ compressed: [String: StoredMatrix], _ shape: Checkpoint, to folder: StagedFolder
  ) throws -> [String] {
    let contents = ModelContents(model)
    return try folder.writeCheckpoint(
      matrices: contents.maps.map { ($0, compressed[$0] ?? $1.weight) }, vectors: contents.vectors,
      configuration: try shape.huggingFaceConfiguration(), files: try shape.companionFiles())
  }

  /// Puts the output together, measures it, and gives it its place.
  private func finish(
    _ model: Model, _ compressed: [String: StoredMatrix], _ shape: Checkpoint, original: Model,
    _ card: ReportCard, _ settings: Settings, in workspace: Workspace, on pool: ThreadPool
  ) throws -> ReportCard {
    var card = card
    let folder = try workspace.stage()
    let files = try write(model, compressed, shape, to: folder)
    try card.measure(
      folder.path(of: ""), against: original, calibration, on: pool, quality: settings.measures)
    if settings.accepts(card) {
      try Checksums.write(files, in: folder)
      try folder.write(card.json.serialized(.pretty), to: ReportCard.file)
      try folder.commit()
    }
    workspace.finish()
    return card
  }
}

extension Checkpoint {
  /// What structured pruning says of the checkpoint that it made.
  fileprivate func pruningReport() throws(CheckpointError) -> JSONValue? {
    try json(StructuredPruner.file).map(JSONValue.init)
  }
}
