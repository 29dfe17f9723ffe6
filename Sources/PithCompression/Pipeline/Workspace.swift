import Foundation
import PithCheckpoints
import PithJSON
import PithTensors

/// The folder beside an output in which unfinished work is kept: the job, and a file for each group of matrices that is done.
/// Every file appears whole or not at all, so a run that was killed at any moment can go on.
final class Workspace {
  /// Where the output will appear.
  let output: String

  private let folder: String
  private let overwrite: Bool
  private var lock: Int32 = -1
  /// Whether the folder outlives this run.
  private(set) var isKept: Bool

  /// Begins or continues work.
  ///
  /// - Parameters:
  ///   - job: what the output depends on.
  ///   - resumes: whether to go on with work that lies there.
  ///   - overwrite: whether what is there may be replaced, unfinished work at once and an output in the end.
  /// - Throws: `CheckpointError` if the output exists and may not be replaced, another process is at it, there is
  ///   unfinished work of which it is not clear what to do with, or it is that of another job.
  init(_ output: String, job: JSONValue, resumes: Bool, overwrite: Bool) throws {
    let output = Self.withoutSlashes(output)
    self.output = output
    folder = Self.folder(of: output)
    let overwrite = overwrite || resumes && Self.replaces(folder)
    self.overwrite = overwrite
    let isNew = !FileManager.default.fileExists(atPath: folder)
    isKept = !isNew
    if isNew { try StagedFolder.check(output, overwrite: overwrite) }
    if mkdir(folder, 0o777) != 0, errno != EEXIST { throw Self.cannotWrite(output) }
    lock = open(folder + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      isKept = true
      throw CheckpointError.cannotCreate(
        path: output, fault: "another process is writing it", mend: "wait for it, or choose another name")
    }
    if resumes, !overwrite, FileManager.default.fileExists(atPath: output) {
      // Killed after the output appeared and before this folder went.
      isKept = false
      throw CheckpointError.cannotCreate(
        path: output, fault: "it is finished already", mend: "use it, or pass --force to make it anew")
    }
    try StagedFolder.check(output, overwrite: overwrite)
    try settle(job, resumes: resumes)
  }

  /// Finds what would keep work from beginning, and changes nothing.
  ///
  /// - Throws: `CheckpointError` as `init` does; that unfinished work is of another job, only `init` can know.
  static func check(_ output: String, resumes: Bool, overwrite: Bool) throws(CheckpointError) {
    let output = withoutSlashes(output)
    let folder = folder(of: output)
    let overwrite = overwrite || resumes && replaces(folder)
    let done = doneFiles(folder)
    // What a finished run left beside its output goes when the workspace is opened, which refuses then.
    if resumes, !overwrite, FileManager.default.fileExists(atPath: folder),
      FileManager.default.fileExists(atPath: output)
    {
      return
    }
    try StagedFolder.check(output, overwrite: overwrite)
    if !done.isEmpty, !resumes, !overwrite { throw unfinished(output, done.count) }
    let parent = URL(filePath: folder).deletingLastPathComponent().path
    if access(parent, W_OK) != 0 { throw cannotWrite(output) }
  }

  private static func withoutSlashes(_ output: String) -> String {
    var output = output
    while output.count > 1, output.hasSuffix("/") { output.removeLast() }
    return output
  }

  private static func folder(of output: String) -> String {
    let url = URL(filePath: output)
    return url.deletingLastPathComponent().appending(path: ".\(url.lastPathComponent).partial").path
  }

  /// Whether the work was begun with leave to replace an output: then it may still do so when it goes on.
  private static func replaces(_ folder: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/" + leave)
  }

  private static let leave = "replaces"

  private static func doneFiles(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
      $0.hasSuffix(suffix) || [pruned, ".\(pruned).partial", tuning].contains($0)
    }
  }

  private static func cannotWrite(_ output: String) -> CheckpointError {
    .cannotCreate(
      path: output, fault: String(cString: strerror(errno)).lowercased(),
      mend: "choose a place that can be written to")
  }

  private static func unfinished(_ output: String, _ count: Int) -> CheckpointError {
    .cannotCreate(
      path: output,
      fault: "unfinished work on it lies beside it (\(count == 1 ? "1 part is" : "\(count) parts are") done)",
      mend: "pass --resume to go on with it, or --force to begin anew")
  }

  deinit {
    if !isKept { try? FileManager.default.removeItem(atPath: folder) }
    if lock >= 0 { close(lock) }
  }

  /// Takes up unfinished work, or removes it, or refuses.
  private func settle(_ job: JSONValue, resumes: Bool) throws {
    let path = folder + "/job.json"
    let known = FileManager.default.contents(atPath: path)
    let doneFiles = Self.doneFiles(folder)
    // A run that was killed in the midst of writing leaves half a file.
    for file in try FileManager.default.contentsOfDirectory(atPath: folder)
    where file.hasSuffix(".unfinished") {
      try FileManager.default.removeItem(atPath: folder + "/" + file)
    }
    if let known, !doneFiles.isEmpty {
      isKept = true
      if resumes {
        try compare(job, known)
        return
      }
      guard overwrite else { throw Self.unfinished(output, doneFiles.count) }
    }
    for file in doneFiles { try FileManager.default.removeItem(atPath: folder + "/" + file) }
    try? FileManager.default.removeItem(atPath: folder + "/" + Self.leave)
    if FileManager.default.fileExists(atPath: output) {
      try Data().write(to: URL(filePath: folder + "/" + Self.leave))
    }
    do { try Data(job.serialized(.pretty)).write(to: URL(filePath: path), options: .atomic) } catch {
      throw CheckpointError.io(
        path: output, fault: "unfinished work cannot be recorded beside it",
        mend: "free some space or choose another place")
    }
    isKept = false
  }

  private func compare(_ job: JSONValue, _ known: Data) throws {
    let bytes = Bytes(copying: [UInt8](known))
    guard let json = bytes.withUnsafeBytes({ try? JSON(parsing: $0) }) else {
      throw CheckpointError.badData(
        path: folder + "/job.json", fault: "it is damaged", mend: "pass --force to begin anew")
    }
    guard let difference = JobDifference.text(job, JSONValue(json)) else { return }
    throw CheckpointError.cannotCreate(
      path: output, fault: "the unfinished work beside it was begun otherwise (\(difference))",
      mend: "resume with the same, or pass --force without --resume to begin anew")
  }

  /// The folder that the output will be in.
  var parent: String { URL(filePath: folder).deletingLastPathComponent().path }

  private static let suffix = ".group.safetensors"

  private func path(of group: Int) -> String { "\(folder)/\(group)\(Self.suffix)" }

  /// A group that is done; nil if it is not.
  ///
  /// - Throws: `CheckpointError` if its file is damaged.
  func group(_ index: Int) throws -> CompressedGroup? {
    do {
      guard let (matrices, remarks) = try MatrixFile.read(path(of: index)) else { return nil }
      return CompressedGroup(matrices: matrices, remarks: remarks)
    } catch CheckpointError.badData(let path, let fault, _) {
      throw CheckpointError.badData(
        path: path, fault: "unfinished work is damaged: \(fault)",
        mend: isCompressed
          ? "pass --force without --resume to begin anew"
          : "remove this file and resume, or pass --force without --resume to begin anew")
    }
  }

  /// What to say of a group that was done, and is not there.
  func missing(_ index: Int) -> CheckpointError {
    .badData(
      path: path(of: index), fault: "this part of unfinished work is missing",
      mend: "pass --force without --resume to begin anew")
  }

  /// Keeps a group; once one is kept, the work outlives this run.
  ///
  /// - Throws: `CheckpointError` if it cannot be written.
  func keep(_ group: CompressedGroup, as index: Int) throws {
    try MatrixFile.write(
      group.matrices.map { ($0.name, $0.matrix) }, remarks: group.remarks, to: path(of: index),
      shownAs: output)
    isKept = true
  }

  /// The folder that the output is put together in.
  ///
  /// - Throws: `CheckpointError` if it cannot be made.
  func stage() throws(CheckpointError) -> StagedFolder {
    try StagedFolder(output, filledAt: folder + "/output", overwrite: overwrite)
  }

  private static let pruned = "pruned"

  /// Where the model lies once what goes whole is cut out of it; from now on the work outlives this run.
  func prunedModel() -> String {
    isKept = true
    return folder + "/" + Self.pruned
  }

  private static let tuning = "tuning"

  /// The folder that a model is trained in; from now on the work outlives this run.
  ///
  /// - Throws: `CheckpointError` if it cannot be made.
  func tuningFolder() throws(CheckpointError) -> String {
    isKept = true
    let path = folder + "/" + Self.tuning
    if mkdir(path, 0o777) != 0, errno != EEXIST { throw Self.cannotWrite(output) }
    return path
  }

  /// Whether all groups are done: training comes after them.
  var isCompressed: Bool { FileManager.default.fileExists(atPath: folder + "/" + Self.tuning) }

  /// The output is in its place: nothing else need be kept.
  func finish() { isKept = false }
}
