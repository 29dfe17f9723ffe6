import PithJSON
import PithTensors

/// The safetensors files of a folder: one, or several named by an index.
enum SafetensorsFolder {
  private static let single = "model.safetensors"
  private static let index = "model.safetensors.index.json"

  /// All tensors by name.
  ///
  /// - Throws: `CheckpointError` if a file is missing or bad, or if the index names what is not there.
  static func tensors(in folder: String) throws(CheckpointError) -> [String: SafetensorsFile.Entry] {
    let indexPath = folder + "/" + index
    let indexBytes: Bytes
    do throws(CheckpointError) { indexBytes = try Bytes(opening: indexPath) } catch {
      guard case .missing = error else { throw error }
      return try singleFile(folder + "/" + single)
    }
    let json = try JSON(parsing: indexBytes, of: indexPath)
    guard let map = json["weight_map"]?.object else {
      throw .badData(path: indexPath, fault: "'weight_map' is missing")
    }
    var shards: [String: SafetensorsFile] = [:]
    var tensors: [String: SafetensorsFile.Entry] = [:]
    for member in map {
      guard let file = member.value.string, !file.isEmpty, !file.contains("/"), !file.contains("\\"),
        file != "..",
        !file.contains("\0")
      else {
        throw .badData(
          path: indexPath, fault: "tensor \(member.key.quoted) is not assigned to a file of the folder")
      }
      if shards[file] == nil { shards[file] = try SafetensorsFile(path: folder + "/" + file) }
      guard let entry = shards[file]?[member.key] else {
        throw .badData(path: indexPath, fault: "tensor \(member.key.quoted) is not in \(file.quoted)")
      }
      tensors[member.key] = entry
    }
    return tensors
  }

  private static func singleFile(_ path: String) throws(CheckpointError) -> [String: SafetensorsFile.Entry] {
    do throws(CheckpointError) {
      return Dictionary(try SafetensorsFile(path: path).entries.map { ($0.name, $0) }) { first, _ in first }
    } catch {
      guard case .missing = error else { throw error }
      throw .missing(path: path, mend: "give a folder with \(single) or \(index)")
    }
  }
}

extension Fields {
  /// The `config.json` of a folder.
  static func configuration(of folder: String) throws(CheckpointError) -> Fields {
    let path = folder + "/config.json"
    let json = try JSON(parsing: try Bytes(opening: path), of: path)
    guard json.kind == .object else { throw .badData(path: path, fault: "the document is not an object") }
    return Fields(json: json, path: path)
  }
}
