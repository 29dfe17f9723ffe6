import Crypto
import Foundation
import PithCheckpoints
import PithJSON
import PithTensors
import PithWeights

/// What an output depends on: recorded in the report card, and what identifies it beside unfinished work.
struct Job {
  let recipe: Recipe
  let model: JSONValue
  let calibration: Calibration?

  init(
    _ source: Checkpoint, _ contents: ModelContents, _ recipe: Recipe, _ calibration: Calibration?
  ) {
    self.recipe = recipe
    self.calibration = calibration
    model = [
      "name": .string(URL(filePath: source.path).lastPathComponent),
      "sha256": .string(Self.fingerprint(contents)),
    ]
  }

  /// What must be the same for unfinished work to go on. The number of threads changes nothing, and nor do the names of
  /// files, since digests say what is in them.
  var key: JSONValue {
    var text = calibration?.json
    text?["source"] = nil
    return [
      "pith": .string(PithVersion.current), "format": 2, "recipe": recipe.json,
      "model": model["sha256"] ?? .null, "calibration": text ?? .null,
    ]
  }

  /// A digest of all names and shapes, all vectors, and samples of all matrices.
  private static func fingerprint(_ contents: ModelContents) -> String {
    var hash = SHA256()
    for (name, map) in contents.maps {
      for tensor in map.weight.tensors {
        hash.update(data: Data("\(name).\(tensor.role) \(tensor.type) \(tensor.shape)".utf8))
        tensor.bytes.withUnsafeBytes { bytes in
          for start in stride(from: 0, to: bytes.count, by: max(sample, bytes.count / samples)) {
            hash.update(
              bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + sample, bytes.count)])
            )
          }
        }
        tensor.bytes.releasePages()
      }
    }
    for (name, values) in contents.vectors {
      hash.update(data: Data("\(name) \(values.count)".utf8))
      values.withUnsafeBytes { hash.update(bufferPointer: $0) }
    }
    return hash.finalize().map { String(format: "%02x", $0) }.joined()
  }

  /// Bytes of a sample, and samples of a tensor.
  private static let (sample, samples) = (4096, 64)
}
