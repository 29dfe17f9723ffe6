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
    /// Whether the output is good enough to appear; one that is not is let go of.
    public var accepts: @Sendable (ReportCard) -> Bool = { _ in true }

    /// Settings, all as they usually are.
    public init(
      overwrite: Bool = false, resumes: Bool = false, measures: Bool = true,
      accepts: @escaping @Sendable (ReportCard) -> Bool = { _ in true }
    ) {
      self.accepts = accepts
      self.overwrite = overwrite
      self.resumes = resumes
      self.measures = measures
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
  /// - Throws: `CheckpointError`, `RecipeError` for a step that matches nothing, or `CompressionError` naming the
  ///   matrix that a method could not take.
  public func run(
    _ source: Checkpoint, to output: String, _ settings: Settings = Settings(), on pool: ThreadPool,
    progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> ReportCard {
    try Self.preflight(recipe, source, to: output, settings, on: pool)
    let original = try source.model()
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
      let seconds = (clock.now - start) / .seconds(1)
      let card = ReportCard(
        job: job, reports: run.reports, pruning: try pruned?.pruningReport(), seconds: seconds,
        threads: pool.threads)
      return try finish(run, pruned ?? source, original: original, card, settings)
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

  /// Puts the output together, measures it, and gives it its place.
  private func finish(
    _ run: CompressionRun, _ source: Checkpoint, original: Model, _ card: ReportCard, _ settings: Settings
  ) throws -> ReportCard {
    var card = card
    let pool = run.compressor.pool
    let folder = try run.workspace.stage()
    let contents = ModelContents(run.model)
    let matrices = contents.maps.map { ($0, run.compressed[$0] ?? $1.weight) }
    let files = try folder.writeCheckpoint(
      matrices: matrices, vectors: contents.vectors,
      configuration: try source.huggingFaceConfiguration(), files: try source.companionFiles())
    try card.measure(
      folder.path(of: ""), against: original, calibration, on: pool, quality: settings.measures)
    if settings.accepts(card) {
      try Checksums.write(files, in: folder)
      try folder.write(card.json.serialized(.pretty), to: ReportCard.file)
      try folder.commit()
    }
    run.workspace.finish()
    return card
  }
}

extension Checkpoint {
  /// What structured pruning says of the checkpoint that it made.
  fileprivate func pruningReport() throws(CheckpointError) -> JSONValue? {
    try json(StructuredPruner.file).map(JSONValue.init)
  }
}
