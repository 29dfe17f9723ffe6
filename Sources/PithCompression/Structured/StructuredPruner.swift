import PithCheckpoints
import PithJSON
import PithModels
import PithTensors

/// Cuts layers, heads and neurons out of a model and writes what is left as an ordinary checkpoint.
struct StructuredPruner {
  /// The report's file, in the checkpoint's folder.
  static let file = "pruning.json"

  let pruning: StructuredPruning
  let calibration: Calibration?
  let memory: Int
  let pool: ThreadPool

  /// Prunes a model, or goes on with that.
  ///
  /// - Parameters:
  ///   - output: where the folder will appear.
  ///   - job: what the output depends on.
  ///   - progress: called with how many steps are done.
  /// - Throws: `RecipeError` for what the model cannot lose, `CompressionError` naming a matrix that could not be pruned,
  ///   `CheckpointError` if something cannot be read or written.
  func run(
    _ source: Checkpoint, _ model: Model, to output: String, job: JSONValue,
    progress: @escaping (_ done: Int) -> Void
  ) throws {
    let before = ModelShape(model)
    let after = try pruning.shape(of: before)
    let workspace = try Workspace(output, job: job, resumes: true, overwrite: true)
    var done = 0
    func step() {
      done += 1
      progress(done)
    }
    let kept =
      pruning.layers == 0
      ? Array(0..<before.layers)
      : LayerChanges(calibration!.sequences, on: pool).kept(
        of: model, dropping: pruning.layers, progress: step)
    let run = PruningRun(
      pruning: pruning, model: model.keeping(layers: kept), shape: after, workspace: workspace, pool: pool)
    if pruning.prunesLayers { try run.prune(calibration, memory: memory, progress: step) }
    let pruned = try run.finish()

    let dropped = Set(0..<before.layers).subtracting(kept).sorted()
    var report: JSONValue = [
      "summary": .string(before.change(to: after)), "before": before.json, "after": after.json,
      "layers_dropped": .array(dropped.map { .int($0) }),
      "matrices": .array(run.reports.map(\.json)),
    ]
    if !run.headsDropped.isEmpty {
      report["heads_dropped"] = .array(run.headsDropped.map { .array($0.map { .int($0) }) })
    }
    let folder = try workspace.stage()
    let contents = ModelContents(pruned)
    let companions = try source.companionFiles()
    _ = try folder.writeCheckpoint(
      matrices: contents.maps.map { ($0.name, $0.map.weight) }, vectors: contents.vectors,
      configuration: try source.huggingFaceConfiguration().describing(pruned),
      files: companions + [(Self.file, report.serialized(.pretty))])
    try folder.commit()
    workspace.finish()
  }
}
