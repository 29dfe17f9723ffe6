import Foundation
import PithCheckpoints
import PithJSON

/// A line of JSON for each step.
struct StepLog {
  let path: String

  /// Adds a line.
  ///
  /// - Throws: `CheckpointError` if it cannot be written.
  func append(
    _ step: Training.Step, steps: Int, heldOut: HeldOutQuality?, compressed: Double? = nil, seconds: Double
  ) throws(CheckpointError) {
    var line: JSONValue = [
      "step": .int(steps), "loss": .double(step.loss), "gradient_norm": .double(step.gradientNorm),
      "learning_rate": .double(Double(step.rate)), "seconds": .double(seconds),
    ]
    if let compressed { line["compressed"] = .double(compressed) }
    if let heldOut {
      line["validation_loss"] = .double(heldOut.loss)
      if let accuracy = heldOut.accuracy { line["validation_accuracy"] = .double(accuracy) }
      if let divergence = heldOut.divergence { line["validation_divergence"] = .double(divergence) }
    }
    let text = Data((line.text(.compact) + "\n").utf8)
    guard let file = fopen(path, "a") else { throw failure }
    let written = text.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
    guard fclose(file) == 0, written == text.count else { throw failure }
  }

  private var failure: CheckpointError {
    .io(path: path, fault: "it cannot be written: \(String(cString: strerror(errno)).lowercased())")
  }

  /// Keeps the lines of the first steps alone: those after a state was kept are done again.
  ///
  /// - Throws: `CheckpointError` if it cannot be written.
  func cut(after steps: Int) throws(CheckpointError) {
    let lines = ((try? contents()) ?? "").split(separator: "\n").prefix(steps)
    do {
      try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(filePath: path), options: .atomic)
    } catch { throw failure }
  }

  /// All lines.
  func contents() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  /// The losses of the lines; those that were learned from, some hundred points of them, each the mean of a few.
  func curve(of lines: String) -> Curve {
    let steps = lines.split(separator: "\n").compactMap { try? JSON(parsing: String($0)) }
    let size = max(1, steps.count / 200)
    var curve = Curve(learned: [], heldOut: [])
    for start in stride(from: 0, to: steps.count, by: size) {
      let some = steps[start..<min(start + size, steps.count)]
      let losses = some.compactMap { $0["loss"]?.double }
      curve.learned.append((start + some.count, losses.reduce(0, +) / Double(max(1, losses.count))))
    }
    for step in steps {
      if let loss = step["validation_loss"]?.double, let number = step["step"]?.int {
        curve.heldOut.append((number, loss))
      }
    }
    return curve
  }
}
