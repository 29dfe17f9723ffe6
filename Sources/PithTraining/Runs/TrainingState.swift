import Foundation
import PithCheckpoints
import PithJSON
import PithTensors
import PithWeights

/// What a training is at: parameters, what the optimizer remembers, and the steps so far. A file of it appears whole or not at all.
struct TrainingState {
  let path: String
  /// What must be the same for a training to go on.
  let key: JSONValue

  /// Keeps a state.
  ///
  /// - Throws: `CheckpointError` if it cannot be written; the one before is still there.
  func keep(_ training: Training, elapsed: Double, shownAs target: String) throws(CheckpointError) {
    var matrices = training.parameters.matrices
    for (index, memories) in training.optimizer.memories.enumerated() {
      for (place, memory) in memories.enumerated() {
        matrices.append(("\(index).\(place)", .dense(Dense(memory))))
      }
    }
    try MatrixFile.write(
      matrices,
      remarks: [
        "key": key, "steps": .int(training.optimizer.steps), "elapsed": .double(elapsed),
        "multiplier": .double(training.compression?.multiplier ?? 0),
      ], to: path, shownAs: target)
  }

  /// Puts a kept state into a training; the seconds it took until then, or nil if there is none.
  ///
  /// - Throws: `CheckpointError` if it is damaged or another training's.
  func restore(_ training: inout Training) throws(CheckpointError) -> Double? {
    guard let (matrices, remarks) = try MatrixFile.read(path) else { return nil }
    guard let known = remarks["key"], JSONValue(known).text() == key.text() else {
      let names = Self.differences(remarks["key"].map { JSONValue($0) } ?? .null, key)
      throw .badData(
        path: path, fault: "it is of a training with another \(names.joined(separator: ", "))",
        mend: "resume with the same recipe, or begin anew with --force")
    }
    let steps = remarks["steps"]?.int ?? 0
    let values = Dictionary(uniqueKeysWithValues: matrices.map { ($0.name, $0.matrix) })
    var memories: [[Matrix]] = []
    for index in training.parameters.list.indices {
      let own = (0..<training.optimizer.memoriesPerParameter).compactMap {
        values["\(index).\($0)"]?.decoded()
      }
      let shape = training.parameters.list[index].value
      guard own.allSatisfy({ ($0.rows, $0.columns) == (shape.rows, shape.columns) }),
        steps == 0 || own.count == training.optimizer.memoriesPerParameter
      else { throw .badData(path: path, fault: "values of a parameter are missing") }
      memories.append(own)
    }
    guard training.parameters.take(matrices, on: training.pool) else {
      throw .badData(path: path, fault: "values of a parameter are missing")
    }
    training.optimizer = Optimizer(
      training.optimizer.rule, steps: steps, memories: steps == 0 ? [] : memories)
    training.compression?.multiplier = remarks["multiplier"]?.double ?? 0
    return remarks["elapsed"]?.double ?? 0
  }

  /// The keys of two recipes whose values differ.
  private static func differences(_ a: JSONValue, _ b: JSONValue) -> [String] {
    guard case .object(let members) = b else { return ["recipe"] }
    let names = members.map(\.name).filter { a[$0]?.text() != b[$0]?.text() }
    return names.isEmpty ? ["recipe"] : names
  }
}
