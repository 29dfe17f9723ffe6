import Foundation
import PithJSON
import PithTensors
import PithWeights

/// A model on disk: a folder in Hugging Face's layout, or a GGUF file.
///
///     let checkpoint = try Checkpoint(path: "models/smollm2")
///     guard case .decoder(let decoder) = try checkpoint.model() else { … }
///
/// Weights are mapped into memory, never copied: opening costs no more than reading the names.
public struct Checkpoint: Sendable {
  /// The folder or file.
  public let path: String

  /// The file, where it is a GGUF.
  public let gguf: GGUFFile?

  /// The tensors of a folder by name.
  private let tensors: [String: SafetensorsFolder.Tensor]

  /// The matrices of a folder that Pith packed, by the name of the plain matrix.
  private let packed: [String: StorageDescription]

  /// Opens a checkpoint and checks its files' headers.
  ///
  /// - Throws: `CheckpointError` naming the file and the fault.
  public init(path: String) throws(CheckpointError) {
    self.path = path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .missing(path: path)
    }
    if isFolder.boolValue {
      gguf = nil
      tensors = try SafetensorsFolder.tensors(in: path)
      packed = try StorageDescription.all(in: Fields.configuration(of: path))
    } else {
      gguf = try GGUFFile(path: path)
      tensors = [:]
      packed = [:]
    }
  }

  /// Whether there is a tensor, or a packed matrix, of a name.
  public func contains(_ name: String) -> Bool {
    if let gguf { return gguf[name] != nil }
    return tensors[name] != nil || packed[name] != nil
  }

  /// A matrix, as it is stored.
  ///
  /// - Parameters:
  ///   - name: the whole name, `.weight` included.
  ///   - rows: how many rows it must have; nil for any number.
  ///   - columns: how many columns it must have.
  /// - Throws: `CheckpointError` if it is missing, of another shape or type, or contradicts itself.
  public func matrix(_ name: String, rows: Int?, columns: Int) throws(CheckpointError) -> StoredMatrix {
    let matrix = try storedMatrix(name)
    guard rows ?? matrix.rows == matrix.rows, matrix.columns == columns, matrix.rows > 0 else {
      throw bad(
        name,
        "is \(matrix.rows) × \(matrix.columns), but the configuration asks for "
          + "\(rows.map(String.init) ?? "any") × \(columns)")
    }
    return matrix
  }

  /// A vector in float32.
  ///
  /// - Parameter count: how many values it must have.
  /// - Throws: `CheckpointError` if it is missing, of another length or type, or holds NaN or infinity.
  public func vector(_ name: String, count: Int) throws(CheckpointError) -> [Float] {
    let (shape, type, bytes) = try tensor(name)
    guard shape == [count] || shape == [1, count] else {
      throw bad(name, "has shape \(shape), but the configuration asks for \(count) values")
    }
    guard let values = Self.decoded(rows: 1, columns: count, type, bytes)?.decoded().values else {
      throw bad(name, "has type \(type), which a vector cannot have")
    }
    guard values.allSatisfy(\.isFinite) else {
      throw bad(name, "holds a number that is not finite")
    }
    return values
  }

  private func storedMatrix(_ name: String) throws(CheckpointError) -> StoredMatrix {
    if let description = packed[name] {
      do throws(StorageFault) {
        return try StoredMatrix(description) { role in
          tensors["\(name).\(role)"].map {
            (type: $0.entry.type.rawValue, shape: $0.entry.shape, bytes: $0.entry.bytes)
          }
        }
      } catch {
        throw bad(name, "is packed, but \(error.sentence)")
      }
    }
    let (shape, type, bytes) = try tensor(name)
    guard shape.count == 2 else {
      throw bad(name, "has shape \(shape), but a matrix has two extents")
    }
    guard let matrix = Self.decoded(rows: shape[0], columns: shape[1], type, bytes) else {
      throw bad(name, "has type \(type), which Pith cannot multiply; convert the model first")
    }
    if case .blocks(let blocks) = matrix, !blocks.hasFiniteScales {
      throw bad(name, "has a scale that is not finite")
    }
    return matrix
  }

  private func tensor(_ name: String) throws(CheckpointError) -> (shape: [Int], type: String, bytes: Bytes) {
    if let entry = gguf?[name] { return (entry.shape, entry.type.name, entry.bytes) }
    if let entry = tensors[name]?.entry { return (entry.shape, entry.type.rawValue, entry.bytes) }
    throw bad(name, "is missing")
  }

  private static func decoded(rows: Int, columns: Int, _ type: String, _ bytes: Bytes) -> StoredMatrix? {
    let plain: [String: Dense.Format] = ["F32": .float32, "F16": .float16, "BF16": .bfloat16]
    if let format = plain[type] {
      return .dense(Dense(rows: rows, columns: columns, format: format, values: bytes))
    }
    guard let format = Blocks.Format.allCases.first(where: { $0.name == type }), columns % format.weights == 0
    else { return nil }
    return .blocks(Blocks(rows: rows, columns: columns, format: format, data: bytes))
  }

  /// A fault of a tensor, or of a packed matrix, in the file that holds it.
  private func bad(_ name: String, _ fault: String) -> CheckpointError {
    let first = tensors[name] ?? tensors["\(name).codes"]
    return .badData(path: first?.file ?? path, fault: "tensor \(name.quoted) \(fault)")
  }

  // MARK: - Other files

  /// A file of the folder, mapped into memory; nil where there is none, and for a GGUF file.
  public func data(_ file: String) throws(CheckpointError) -> Bytes? {
    guard gguf == nil else { return nil }
    return try Bytes(openingIfPresent: path + "/" + file)
  }

  /// A JSON file of the folder; nil where there is none, and for a GGUF file.
  public func json(_ file: String) throws(CheckpointError) -> JSON? {
    guard let data = try data(file) else { return nil }
    return try JSON(parsing: data, of: path + "/" + file)
  }
}
