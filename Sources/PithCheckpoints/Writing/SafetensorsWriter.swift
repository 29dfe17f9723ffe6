import PithJSON
import PithTensors
import PithWeights

/// Writes a safetensors file: the header first, then the tensors one after the other, so that memory holds none of those
/// that lie in files themselves.
enum SafetensorsWriter {
  /// A tensor with its name in the file.
  typealias Tensor = (name: String, type: NamedTensor.ElementType, shape: [Int], bytes: Bytes)

  /// Writes a file and syncs it.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - shownPath: what errors call it.
  ///   - metadata: the file's own remarks.
  static func write(
    _ tensors: [Tensor], metadata: [(key: String, value: String)] = [("format", "pt")], to path: String,
    shownAs shownPath: String
  ) throws(CheckpointError) {
    var entries: [JSONValue.Member] = [
      .init("__metadata__", .object(metadata.map { .init($0.key, .string($0.value)) }))
    ]
    var end = 0
    for tensor in tensors {
      entries.append(
        .init(
          tensor.name,
          [
            "dtype": .string(tensor.type.rawValue), "shape": .array(tensor.shape.map { .int($0) }),
            "data_offsets": [.int(end), .int(end + tensor.bytes.count)],
          ]))
      end += tensor.bytes.count
    }
    var header = JSONValue.object(entries).serialized()
    header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    let file = try OutputFile(path, shownAs: shownPath)
    let length = Bytes(copying: [UInt64(header.count).littleEndian])
    for bytes in [length, Bytes(copying: header)] + tensors.map(\.bytes) {
      try bytes.withUnsafeBytes { buffer throws(CheckpointError) in try file.append(buffer) }
      bytes.releasePages()
    }
    try file.close()
  }

  /// The tensors of a matrix: a dense one is a plain tensor, a packed one those that it is made of.
  static func tensors(of matrix: StoredMatrix, named name: String) -> [Tensor] {
    matrix.tensors.map { tensor in
      (matrix.isPacked ? "\(name).\(tensor.role)" : name, tensor.type, tensor.shape, tensor.bytes)
    }
  }
}
