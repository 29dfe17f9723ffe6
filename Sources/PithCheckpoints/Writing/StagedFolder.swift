import Foundation
import PithTensors

/// A folder that appears whole or not at all: it is filled beside its place, synced, and renamed when all is there.
public final class StagedFolder {
  /// Where the folder will appear.
  public let target: String

  private let staging: String
  private let overwrite: Bool
  private var subfolders: Set<String> = []
  private var isCommitted = false

  /// Makes an empty folder to be filled.
  ///
  /// Only a model's folder, known by its `config.json`, is ever replaced: a slip of the pen must not cost a home.
  ///
  /// - Parameters:
  ///   - target: where the folder will appear.
  ///   - staging: where it is filled, on the same disk; what is there is removed.
  ///   - overwrite: whether a model's folder that is there may be replaced.
  /// - Throws: `CheckpointError` if the target exists and may not be overwritten or is no model's folder, or if
  ///   nothing can be made at `staging`.
  public init(_ target: String, filledAt staging: String, overwrite: Bool) throws(CheckpointError) {
    self.target = target
    self.staging = staging
    self.overwrite = overwrite
    try Self.check(target, overwrite: overwrite)
    try? FileManager.default.removeItem(atPath: staging)
    if mkdir(staging, 0o777) != 0 {
      throw .cannotCreate(
        path: target, fault: String(cString: strerror(errno)).lowercased(),
        mend: "choose a place that can be written to")
    }
  }

  /// Whether a folder may appear at `target`.
  ///
  /// - Throws: `CheckpointError` if something is there that may not be replaced.
  public static func check(_ target: String, overwrite: Bool) throws(CheckpointError) {
    if (try? FileManager.default.destinationOfSymbolicLink(atPath: target)) != nil {
      throw .cannotCreate(path: target, fault: "it is a link", mend: "name the folder that it leads to")
    }
    guard FileManager.default.fileExists(atPath: target) else { return }
    guard FileManager.default.fileExists(atPath: target + "/config.json") else {
      throw .cannotCreate(
        path: target,
        fault: "it already exists and has no config.json, so it is no model that could be replaced",
        mend: "choose another name, or remove it yourself")
    }
    guard overwrite else {
      throw .cannotCreate(
        path: target, fault: "it already exists", mend: "choose another name, or pass --force to replace it")
    }
  }

  deinit {
    if !isCommitted { try? FileManager.default.removeItem(atPath: staging) }
  }

  /// Writes one file; `name` may lead through folders, which are made.
  ///
  /// - Throws: `CheckpointError` if it cannot be written completely.
  public func write(_ bytes: UnsafeRawBufferPointer, to name: String) throws(CheckpointError) {
    if let slash = name.lastIndex(of: "/") { try makeFolder(path(of: String(name[..<slash]))) }
    let file = try OutputFile(path(of: name), shownAs: target)
    try file.append(bytes)
    try file.close()
  }

  /// Writes one file.
  ///
  /// - Throws: `CheckpointError` if it cannot be written completely.
  public func write(_ bytes: [UInt8], to name: String) throws(CheckpointError) {
    try Bytes(copying: bytes).withUnsafeBytes { buffer throws(CheckpointError) in try write(buffer, to: name)
    }
  }

  private func makeFolder(_ path: String) throws(CheckpointError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      subfolders.insert(path)
    } catch {
      throw .io(path: target, fault: "a folder in it cannot be made")
    }
  }

  /// Where a file of the folder lies until the folder appears.
  public func path(of name: String) -> String { staging + "/" + name }

  /// Syncs the folder and puts it in its place, over what was there if that is allowed.
  ///
  /// - Throws: `CheckpointError` if that fails; what was there is then still there.
  public func commit() throws(CheckpointError) {
    for folder in subfolders { Self.sync(folder) }
    Self.sync(staging)
    let old = staging + ".old"
    let replaces = FileManager.default.fileExists(atPath: target)
    if replaces {
      guard overwrite, rename(target, old) == 0 else { throw failure() }
    }
    guard rename(staging, target) == 0 else {
      let error = failure()
      if replaces { _ = rename(old, target) }
      throw error
    }
    isCommitted = true
    Self.sync(URL(filePath: target).deletingLastPathComponent().path)
    if replaces { try? FileManager.default.removeItem(atPath: old) }
  }

  private func failure() -> CheckpointError {
    .cannotCreate(
      path: target, fault: String(cString: strerror(errno)).lowercased(),
      mend: "choose another name, or remove what is there")
  }

  static func sync(_ folder: String) {
    let descriptor = open(folder, O_RDONLY)
    if descriptor >= 0 {
      fsync(descriptor)
      close(descriptor)
    }
  }
}
