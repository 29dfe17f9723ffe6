import Foundation
import Pith
import PithCheckpoints
import PithEvaluation
import PithJSON
import PithTensors
import PithWeights

/// A file with the states of a reference model on windows of a text, from which its logits are soon computed again.
struct ReferenceFile {
  let path: String

  /// The states of each window: those of the file, or new ones, which are kept there.
  ///
  /// - Throws: `Failure` if the file is another's, or of another model, text or window; `CheckpointError` if it cannot be
  ///   read or written.
  func states(of reference: LanguageModel, _ evaluation: LanguageEvaluation) throws -> [Matrix] {
    let count = evaluation.windows.count
    let tokens = JSONValue.array(evaluation.windows.map { .array($0.map { .int(Int($0)) }) })
    guard FileManager.default.fileExists(atPath: path) else {
      let progress = Progress("reference", total: count)
      let states = (0..<count).map { window in
        defer { progress.update(window + 1) }
        return evaluation.states(window, of: reference.decoder, pool: reference.pool)
      }
      try MatrixFile.write(
        states.enumerated().map { ("\($0)", .dense(Dense($1))) },
        remarks: ["kind": .string(Self.kind), "windows": tokens],
        to: path, shownAs: path)
      return states
    }
    guard let (matrices, remarks) = try MatrixFile.read(path), remarks["kind"]?.string == Self.kind else {
      throw Failure.data("\(path): it is no file of --keep-reference; choose another name.")
    }
    let known = Dictionary(uniqueKeysWithValues: matrices.map { ($0.name, $0.matrix) })
    let states = (0..<count).compactMap { known["\($0)"]?.decoded() }
    // A window read anew tells another model; another machine's rounding is none.
    guard states.count == count, remarks["windows"].map({ JSONValue($0).text() }) == tokens.text(),
      Self.isNear(states[0], evaluation.states(0, of: reference.decoder, pool: reference.pool))
    else {
      throw Failure.data(
        "\(path): it was made with another model, text or window; remove it or choose another name.")
    }
    return states
  }

  private static func isNear(_ known: Matrix, _ states: Matrix) -> Bool {
    guard known.rows == states.rows, known.columns == states.columns else { return false }
    let largest = states.values.reduce(0) { max($0, abs($1)) }
    return zip(known.values, states.values).allSatisfy { abs($0 - $1) <= 1e-3 * largest }
  }

  private static let kind = "states of a reference"
}
