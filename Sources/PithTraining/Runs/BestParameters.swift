import PithCheckpoints
import PithJSON
import PithTensors

/// The parameters that were best on what is held out, in a file of unfinished work.
struct BestParameters {
  /// How good they are; nil before the first are offered.
  private(set) var quality: HeldOutQuality?
  /// The steps they were found after.
  private(set) var steps = 0

  private let path: String

  /// Those of earlier work that goes on, if there are some.
  ///
  /// - Throws: `CheckpointError` if its file is damaged.
  init(path: String) throws(CheckpointError) {
    self.path = path
    guard let (_, remarks) = try MatrixFile.read(path), let loss = remarks["loss"]?.double else { return }
    quality = HeldOutQuality(
      loss: loss, accuracy: remarks["accuracy"]?.double, divergence: remarks["divergence"]?.double)
    steps = remarks["steps"]?.int ?? 0
  }

  /// Keeps parameters if they are better than those before.
  ///
  /// - Throws: `CheckpointError` if they cannot be written; those before are still there.
  mutating func offer(
    _ parameters: Parameters, _ quality: HeldOutQuality, steps: Int, shownAs target: String
  ) throws(CheckpointError) {
    guard quality.score.isFinite, quality.score < self.quality?.score ?? .infinity else { return }
    var remarks: JSONValue = ["steps": .int(steps), "loss": .double(quality.loss)]
    if let accuracy = quality.accuracy { remarks["accuracy"] = .double(accuracy) }
    if let divergence = quality.divergence { remarks["divergence"] = .double(divergence) }
    try MatrixFile.write(parameters.matrices, remarks: remarks, to: path, shownAs: target)
    (self.quality, self.steps) = (quality, steps)
  }

  /// Puts them in the place of those of now.
  ///
  /// - Throws: `CheckpointError` if the file is damaged.
  func restore(_ parameters: Parameters, on pool: ThreadPool) throws(CheckpointError) {
    guard let (matrices, _) = try MatrixFile.read(path) else { return }
    guard parameters.take(matrices, on: pool) else {
      throw .badData(path: path, fault: "values of a parameter are missing")
    }
  }
}
