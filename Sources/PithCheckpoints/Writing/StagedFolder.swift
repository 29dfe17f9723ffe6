import Foundation
import PithTensors

/// A folder that appears whole or not at all: it is filled beside its place, synced, and renamed when all is there.
public final class StagedFolder {
  /// Where the folder will appear.
  public let target: String

  private let staging: String
  private let overwrite: Bool
  private var isCommitted = false

  /// Makes an empty folder beside `target`.
  ///
  /// - Throws: `CheckpointError` if the target exists and may not be overwritten, or if nothing can be made beside it.
  public init(_ target: String, overwrite: Bool) throws(CheckpointError) {
    var target = target
    while target.count > 1, target.hasSuffix("/") { target.removeLast() }
    self.target = target
    self.overwrite = overwrite
    if !overwrite, FileManager.default.fileExists(atPath: target) {
      throw .cannotCreate(
        path: target, fault: "it already exists", mend: "choose another name, or pass --force to replace it")
    }
    let url = URL(filePath: target)
    staging =
      url.deletingLastPathComponent().appending(path: ".\(url.lastPathComponent).partial-\(getpid())").path
    // What a killed process with this very number left behind.
    try? FileManager.default.removeItem(atPath: staging)
    if mkdir(staging, 0o777) != 0 {
      throw .cannotCreate(
        path: target, fault: String(cString: strerror(errno)).lowercased(),
        mend: "choose a place that can be written to")
    }
  }

  deinit {
    if !isCommitted { try? FileManager.default.removeItem(atPath: staging) }
  }

  /// Writes one file.
  ///
  /// - Throws: `CheckpointError` if it cannot be written completely.
  public func write(_ bytes: UnsafeRawBufferPointer, to name: String) throws(CheckpointError) {
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

  /// Where a file of the folder lies until the folder appears.
  public func path(of name: String) -> String { staging + "/" + name }

  /// Syncs the folder and puts it in its place, over what was there if that is allowed.
  ///
  /// - Throws: `CheckpointError` if that fails; what was there is then still there.
  public func commit() throws(CheckpointError) {
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

  private static func sync(_ folder: String) {
    let descriptor = open(folder, O_RDONLY)
    if descriptor >= 0 {
      fsync(descriptor)
      close(descriptor)
    }
  }
}
