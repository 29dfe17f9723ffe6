import Crypto
import Foundation
import PithCheckpoints

/// `SHA256SUMS`: one line per file of a folder, in the form that `sha256sum -c` reads.
public enum Checksums {
  /// The file's name.
  public static let file = "SHA256SUMS"

  /// Writes the checksums of files of a folder that has not appeared yet.
  ///
  /// - Throws: `CheckpointError` if a file cannot be read or the list not written.
  static func write(_ files: [String], in folder: StagedFolder) throws {
    var lines = ""
    for name in files { lines += try "\(digest(folder.path(of: name)))  \(name)\n" }
    try folder.write([UInt8](lines.utf8), to: file)
  }

  /// Compares the files of a folder with its checksums; a folder or file without them passes.
  ///
  /// - Throws: `CheckpointError` naming the first file that differs.
  public static func verify(folder: String) throws {
    let path = folder + "/" + file
    guard let data = FileManager.default.contents(atPath: path) else { return }
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1)
      let name = parts.last.map { $0.drop { $0 == " " || $0 == "*" } } ?? ""
      guard parts.count == 2, parts[0].count == 64, !name.hasPrefix("/"),
        !name.split(separator: "/").contains("..")
      else {
        throw CheckpointError.badData(
          path: path, fault: "line '\(line.prefix(80))' is no checksum and file name")
      }
      guard try digest("\(folder)/\(name)") == parts[0] else {
        throw CheckpointError.badData(
          path: "\(folder)/\(name)", fault: "the file is not the one that was written: its checksum differs",
          mend: "compress the model again")
      }
    }
  }

  private static func digest(_ path: String) throws -> String {
    guard let file = FileHandle(forReadingAtPath: path) else { throw CheckpointError.missing(path: path) }
    var hash = SHA256()
    while let part = try file.read(upToCount: 1 << 22), !part.isEmpty { hash.update(data: part) }
    return hash.finalize().map { String(format: "%02x", $0) }.joined()
  }
}
