import Foundation
import PithCheckpoints
import PithModels
import PithTensors

/// The other members of a co-distillation (Anil et al., arXiv 1804.03235): processes that share a folder, each of which learns from its own part of
/// the data and from the mean of what the others last left there.
///
/// What a member leaves appears whole, and may be many steps old; members come and go.
final class PeerExchange<Model: Taught> {
  private let settings: TrainingRecipe.Peers
  private let student: Model
  /// The others, as they were when they were last read.
  private(set) var models: [Model] = []
  private var hasRead = false

  init(_ settings: TrainingRecipe.Peers, of student: Model) {
    self.settings = settings
    self.student = student
  }

  /// Leaves a member's parameters in the folder, and reads those of the others, every so many steps.
  ///
  /// - Throws: `CheckpointError` if the folder cannot be written to, `TrainingDataError` if another member is another model.
  func exchange(_ parameters: Parameters, afterSteps steps: Int, on pool: ThreadPool) throws {
    let isTurn = steps > 0 && steps % settings.every == 0
    if !hasRead {
      do {
        try FileManager.default.createDirectory(atPath: settings.folder, withIntermediateDirectories: true)
      } catch {
        throw CheckpointError.cannotCreate(
          path: settings.folder, fault: "the members' folder cannot be made",
          mend: "choose a place that can be written to")
      }
    }
    if isTurn {
      let own = path(settings.member)
      try MatrixFile.write(parameters.matrices, remarks: ["steps": .int(steps)], to: own, shownAs: own)
    }
    guard isTurn || !hasRead else { return }
    hasRead = true
    guard steps >= settings.burnIn else { return }
    models = try (0..<settings.count).filter { $0 != settings.member }.compactMap { member in
      try model(of: member, on: pool)
    }
  }

  private func path(_ member: Int) -> String { "\(settings.folder)/member-\(member).safetensors" }

  private func model(of member: Int, on pool: ThreadPool) throws -> Model? {
    // What cannot be read is no member yet: it will leave another file.
    guard let (matrices, _) = try? MatrixFile.read(path(member)) else { return nil }
    let parameters = Parameters(student, on: pool)
    guard parameters.take(matrices, on: pool) else {
      throw TrainingDataError(
        "\(path(member)): it is of another model; members of a co-distillation have the same shape.")
    }
    return student.applying(parameters)
  }
}
