import PithJSON
import PithTensors

/// A safetensors file: named tensors over the file's mapped memory.
///
///     let file = try SafetensorsFile(path: "model.safetensors")
///     let entry = file["model.norm.weight"]      // type, shape, and bytes that share the file's memory
///
/// Everything the header says is verified before any of it is used: types are known, each shape fills its
/// range of the data exactly, and the ranges cover the data without overlap or holes. Source: the format's
/// own specification, https://github.com/huggingface/safetensors.
public struct SafetensorsFile: Sendable {
  /// One tensor.
  public struct Entry: Sendable {
    /// The tensor's name, unique in the file.
    public let name: String
    /// The type of the elements.
    public let type: SafetensorsType
    /// The extent of each dimension, slowest first.
    public let shape: [Int]
    /// The elements, little-endian, row-major, sharing the file's memory.
    public let bytes: Bytes
  }

  /// The largest header that the format allows.
  public static let maximumHeaderSize = 100_000_000

  /// The file's path, or the name it was given.
  public let name: String
  /// The tensors in the header's order.
  public let entries: [Entry]
  /// The file's own remarks, in the header's order; `("format", "pt")` in most.
  public let metadata: [(key: String, value: String)]
  private let positions: [String: Int]

  /// Maps and verifies a file.
  public init(path: String) throws(CheckpointError) {
    try self.init(Bytes(opening: path), name: path)
  }

  /// Verifies a file that is in memory; `name` is what errors call it.
  public init(_ file: Bytes, name: String) throws(CheckpointError) {
    let header = try SafetensorsHeader(file, name: name)
    self.name = name
    entries = header.entries
    metadata = header.metadata
    // The parser has refused names that occur twice by their bytes; this refuses equivalent spellings.
    positions = Dictionary(zip(entries.map(\.name), entries.indices)) { first, _ in first }
    if positions.count < entries.count {
      throw .badData(path: name, fault: "two tensor names differ only in how their accents are encoded")
    }
  }

  /// The tensor of a name.
  public subscript(name: String) -> Entry? { positions[name].map { entries[$0] } }
}
