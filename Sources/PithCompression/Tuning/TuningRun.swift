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
    let student = try decoder(start)
    let byLayer = student.layers.count == teacher.layers.count && student.hasPackedLayers
    let change = student.change(from: teacher)
    var (model, note): (Checkpoint, String?) = (start, nil)
    for stage in byLayer ? [Tuning.Stage.layers, .whole] : [.whole] {
      do {
        let (trained, notes) = try train(
          stage, seconds: tuning.seconds(of: stage, byLayer: byLayer), model, like: teacher, change: change)
        model = trained
        note = note ?? notes.first
      } catch TrainingError.noTime {
        note = note ?? "there was no time for a step \(stage == .layers ? "of each layer" : "of the whole")"
      } catch TrainingError.notFinite(let step, _, let kept) {
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

  /// The model that a stage made, which may be there already, and what is to be said of it.
  private func train(
    _ stage: Tuning.Stage, seconds: Double, _ start: Checkpoint, like teacher: Decoder, change: Float
  ) throws -> (Checkpoint, notes: [String]) {
    var notes: [String] = []
    let output = "\(folder)/\(stage.rawValue)"
    if !FileManager.default.fileExists(atPath: output) {
      guard let windows = tuning.windows(of: calibration, for: teacher) else {
        throw TuningError.tooLittleText(calibration.source)
      }
      let run = try TrainingRun(
        tuning.recipe(
          stage, seconds: seconds, window: windows.window, start, like: original.path,
          text: calibration.source, change: change),
        student: start, teacher: teacher, windows: windows, digest: calibration.json.text(), output: output,
        pool: pool)
      notes = try run.train(resume: true) { tuning.progress(stage, $0) }.notes
    }
    return (try Checkpoint(path: output), notes)
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

extension Decoder {
  /// How far the weights of the layers are from those of another decoder, as a root mean square; infinite where none has its place and shape.
  func change(from original: Decoder) -> Float {
    let before = Dictionary(uniqueKeysWithValues: original.maps.map { ($0.place, $0.weight) })
    var (sum, count) = (0.0, 0)
    for map in maps where map.place.layer != nil {
      guard let other = before[map.place], other.rows == map.weight.rows, other.columns == map.weight.columns
      else { continue }
      for (now, then) in zip(map.weight.decoded().values, other.decoded().values) {
        sum += Double((now - then) * (now - then))
      }
      count += map.weight.rows * map.weight.columns
    }
    return count > 0 ? Float((sum / Double(count)).squareRoot()) : .infinity
  }
}
