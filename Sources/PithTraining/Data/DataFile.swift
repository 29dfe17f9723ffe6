import Crypto
import Foundation
import PithCheckpoints

/// A file to learn from.
enum DataFile {
  /// A UTF-8 text, line ends of Windows as line feeds, and what tells it from others.
  ///
  /// - Throws: `CheckpointError` if there is none, `TrainingDataError` if it is no text.
  static func text(_ path: String) throws -> (text: String, digest: String) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CheckpointError.missing(path: path)
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw TrainingDataError("\(path): it is not UTF-8; convert it first.")
    }
    let digest = SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
    return (text.replacing("\r\n", with: "\n"), digest)
  }
}

/// What is wrong with the data of a training, in one sentence.
public struct TrainingDataError: Error, Equatable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  init(_ description: String) { self.description = description }
}
