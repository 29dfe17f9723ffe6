import Foundation
import PithJSON
import PithTensors
import PithWeights

/// A few stored matrices and remarks in one safetensors file that appears whole or not at all: what unfinished work is
/// kept in.
public enum MatrixFile {
  /// Writes a file beside its place, syncs it and renames it.
  ///
  /// - Parameters:
  ///   - remarks: whatever belongs to the matrices.
  ///   - shownPath: what errors name.
  /// - Throws: `CheckpointError` if it cannot be written.
  public static func write(
    _ matrices: [(name: String, matrix: StoredMatrix)], remarks: JSONValue, to path: String,
    shownAs shownPath: String
  ) throws(CheckpointError) {
    let tensors = matrices.flatMap { named in
      named.matrix.tensors.map { ("\(named.name).\($0.role)", $0.type, $0.shape, $0.bytes) }
    }
    let descriptions = JSONValue.object(matrices.map { .init($0.name, StorageDescription($0.matrix).json) })
    let unfinished = path + ".unfinished"
    do throws(CheckpointError) {
      try SafetensorsWriter.write(
        tensors, metadata: [("matrices", descriptions.text(.compact)), ("remarks", remarks.text(.compact))],
        to: unfinished, shownAs: shownPath)
    } catch {
      // Half a file would take room where the disk may be full.
      unlink(unfinished)
      throw error
    }
    guard rename(unfinished, path) == 0 else {
      throw .io(
        path: shownPath, fault: "a file cannot be renamed: \(String(cString: strerror(errno)).lowercased())")
    }
    StagedFolder.sync(URL(filePath: path).deletingLastPathComponent().path)
  }

  /// Reads a file; nil if there is none.
  ///
  /// - Throws: `CheckpointError` if it is damaged.
  public static func read(_ path: String) throws(CheckpointError) -> (
    matrices: [(name: String, matrix: StoredMatrix)], remarks: JSON
  )? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let file = try SafetensorsFile(path: path)
    func document(_ key: String) throws(CheckpointError) -> JSON {
      let text = file.metadata.first { $0.key == key }?.value ?? ""
      return try JSON(parsing: Bytes(copying: Array(text.utf8)), of: path)
    }
    let descriptions = try StorageDescription.all(of: Fields(json: try document("matrices"), path: path))
    var matrices: [(name: String, matrix: StoredMatrix)] = []
    for (name, description) in descriptions {
      do throws(StorageFault) {
        let matrix = try StoredMatrix(description) { role in
          file["\(name).\(role)"].map { (type: $0.type.rawValue, shape: $0.shape, bytes: $0.bytes) }
        }
        matrices.append((name, matrix))
      } catch {
        throw .badData(path: path, fault: "matrix \(name.quoted): \(error.sentence)")
      }
    }
    return (matrices, try document("remarks"))
  }
}
