import PithJSON
import PithTensors

/// The safetensors files of a folder: one, or several named by an index.
enum SafetensorsFolder {
  /// A tensor with the path of the file that holds it.
  typealias Tensor = (entry: SafetensorsFile.Entry, file: String)

  private static let single = "model.safetensors"
  private static let index = "model.safetensors.index.json"

  /// All tensors by name. Where both stand in the folder, the single file counts and not the index, as it does for
  /// the reference.
  ///
  /// - Throws: `CheckpointError` if a file is missing or bad, or if the index names what is not there.
  static func tensors(in folder: String) throws(CheckpointError) -> [String: Tensor] {
    let path = folder + "/" + single
    if let bytes = try Bytes(openingIfPresent: path) {
      let entries = try SafetensorsFile(bytes, name: path).entries
      return Dictionary(entries.map { ($0.name, ($0, path)) }) { first, _ in first }
    }
    let indexPath = folder + "/" + index
    guard let bytes = try Bytes(openingIfPresent: indexPath) else {
      throw .missing(path: path, mend: "give a folder with \(single) or \(index)")
    }
    return try shardedTensors(in: folder, JSON(parsing: bytes, of: indexPath), indexPath)
  }

  private static func shardedTensors(
    in folder: String, _ json: JSON, _ indexPath: String
  ) throws(CheckpointError) -> [String: Tensor] {
    guard let map = json["weight_map"]?.object else {
      throw .badData(path: indexPath, fault: "'weight_map' is missing")
    }
    var shards: [String: SafetensorsFile] = [:]
    var tensors: [String: Tensor] = [:]
    for member in map {
      guard let file = member.value.string, isPlainName(file) else {
        throw .badData(
          path: indexPath, fault: "tensor \(member.key.quoted) is not assigned to a file of the folder")
      }
      if shards[file] == nil { shards[file] = try shard(folder + "/" + file) }
      guard let entry = shards[file]?[member.key] else {
        throw .badData(path: indexPath, fault: "tensor \(member.key.quoted) is not in \(file.quoted)")
      }
      tensors[member.key] = (entry, folder + "/" + file)
    }
    return tensors
  }

  private static func shard(_ path: String) throws(CheckpointError) -> SafetensorsFile {
    guard let bytes = try Bytes(openingIfPresent: path) else {
      throw .missing(path: path, mend: "fetch this file too, which \(index) names")
    }
    return try SafetensorsFile(bytes, name: path)
  }

  /// Whether a name stays in the folder: no other folder, drive, or the folder itself.
  private static func isPlainName(_ file: String) -> Bool {
    !file.isEmpty && file != "." && file != ".."
      && file.unicodeScalars.allSatisfy { $0.value >= 0x20 && !"/\\:".unicodeScalars.contains($0) }
  }
}

extension Bytes {
  /// A file of a checkpoint, mapped into memory; nil if there is none.
  init?(openingIfPresent path: String) throws(CheckpointError) {
    do throws(CheckpointError) { self = try Bytes(opening: path) } catch {
      if case .missing = error { return nil }
      throw error
    }
  }
}

extension Fields {
  /// The `config.json` of a folder.
  static func configuration(of folder: String) throws(CheckpointError) -> Fields {
    let path = folder + "/config.json"
    guard let bytes = try Bytes(openingIfPresent: path) else {
      throw .missing(path: path, mend: "give a folder that holds config.json beside the weights")
    }
    let json = try JSON(parsing: bytes, of: path)
    guard json.kind == .object else { throw .badData(path: path, fault: "the document is not an object") }
    return Fields(json: json, path: path)
  }
}
