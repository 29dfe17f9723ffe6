import Foundation
import PithCheckpoints
import PithEvaluation
import PithModels
import PithTensors
import PithTraining

/// A tuning in a folder of unfinished work, which goes on where it was killed.
struct TuningRun {
  let tuning: Tuning
  let original: Checkpoint
  let calibration: Calibration
  /// The folder, which exists.
  let folder: String
  let pool: ThreadPool

  /// What came of it.
  struct Outcome {
    /// The model that is nearest to the original.
    let model: Model
    /// What the report card says.
    let report: TuningReport
  }

  /// Where the model lies that training begins with.
  var start: String { folder + "/start" }

  /// Trains in both stages; the best of the start and what they made.
  func run() throws -> Outcome {
    let teacher = try decoder(original)
    let start = try Checkpoint(path: start)
    let before = try divergence(start, from: teacher)
    // Where layers were cut out, none is the other's.
    let hasAllLayers = try decoder(start).layers.count == teacher.layers.count
    var (model, note): (Checkpoint, String?) = (start, nil)
    for stage in hasAllLayers ? [Tuning.Stage.layers, .whole] : [.whole] {
      do { model = try train(stage, model, like: teacher) } catch TrainingError.notFinite(
        let step, _, let kept)
      {
        note = "training diverged at step \(step): the best until then was kept"
        if let kept { model = try Checkpoint(path: kept) }
        break
      }
    }
    var after = try divergence(model, from: teacher)
    // What is no number is not better either.
    if !(after < before) {
      (model, after) = (start, before)
      note = note ?? "training found nothing better than the model that it began with"
    }
    return Outcome(
      model: try model.model(),
      report: TuningReport(seconds: tuning.seconds, before: before, after: after, note: note))
  }

  /// The model that a stage made, which may be there already.
  private func train(_ stage: Tuning.Stage, _ start: Checkpoint, like teacher: Decoder) throws -> Checkpoint {
    let output = "\(folder)/\(stage.rawValue)"
    if !FileManager.default.fileExists(atPath: output) {
      let tokens = stage == .layers ? tuning.tokensForLayers(of: teacher, on: pool) : .max
      guard let windows = tuning.windows(of: calibration, tokens: tokens, for: teacher) else {
        throw TuningError.tooLittleText(calibration.source)
      }
      let run = try TrainingRun(
        tuning.recipe(stage, window: windows.window, start, like: original.path, text: calibration.source),
        student: start, teacher: teacher, windows: windows, digest: calibration.json.text(), output: output,
        pool: pool)
      _ = try run.train(resume: true) { tuning.progress(stage, $0) }
    }
    return try Checkpoint(path: output)
  }

  private func divergence(_ checkpoint: Checkpoint, from teacher: Decoder) throws -> Double {
    try LanguageEvaluation(windows: calibration.heldOut)
      .measure(decoder(checkpoint), against: teacher, pool: pool).klDivergence ?? .infinity
  }

  private func decoder(_ checkpoint: Checkpoint) throws -> Decoder {
    guard case .decoder(let decoder) = try checkpoint.model() else {
      throw TuningError.noDecoder(checkpoint.path)
    }
    return decoder
  }
}
