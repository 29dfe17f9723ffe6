import Foundation

/// A file that is written once, front to back, with room kept at its front if need be.
final class OutputFile {
  private let descriptor: Int32
  /// What errors name: the output that the user asked for.
  private let shownPath: String
  private var isOpen = true

  init(_ path: String, shownAs shownPath: String) throws(CheckpointError) {
    self.shownPath = shownPath
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw Self.failure(shownPath) }
  }

  deinit { if isOpen { Foundation.close(descriptor) } }

  /// Writes at the end.
  func append(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw Self.failure(shownPath) }
      rest = rest.dropFirst(written)
    }
  }

  /// Moves the end to a place.
  func seek(to offset: Int) throws(CheckpointError) {
    if lseek(descriptor, off_t(offset), SEEK_SET) < 0 { throw Self.failure(shownPath) }
  }

  /// Makes sure that all is on the disk.
  func close() throws(CheckpointError) {
    isOpen = false
    let isSynced = fsync(descriptor) == 0
    guard Foundation.close(descriptor) == 0, isSynced else { throw Self.failure(shownPath) }
  }

  private static func failure(_ path: String) -> CheckpointError {
    .io(
      path: path, fault: "writing failed: \(String(cString: strerror(errno)).lowercased())",
      mend: "free some space or choose another place")
  }
}
