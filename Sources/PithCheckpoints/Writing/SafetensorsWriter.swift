import PithJSON
import PithTensors
import PithWeights

/// Writes a safetensors file tensor by tensor, so that memory holds one of them and not all.
///
/// The header stands before the data and names every size, so room for it is kept at the front from the names alone;
/// what it does not need is filled with spaces, as the format allows.
final class SafetensorsWriter {
  private let file: OutputFile
  private let room: Int
  private let path: String
  private var entries: [JSONValue.Member] = [.init("__metadata__", ["format": "pt"])]
  private var end = 0

  /// The most tensors that one matrix is made of.
  private static let tensorsPerMatrix = 4

  /// The most that an entry takes beside its name: role, type, two extents and two offsets of up to 16 digits.
  private static let entrySize = 160

  /// - Parameter names: everything that will be written.
  init(_ path: String, shownAs shownPath: String, names: [String]) throws(CheckpointError) {
    self.path = shownPath
    file = try OutputFile(path, shownAs: shownPath)
    let entries = names.reduce(64) {
      $0 + Self.tensorsPerMatrix * (JSONValue.string($1).serialized().count + Self.entrySize)
    }
    room = (entries + 7) / 8 * 8
    try file.seek(to: 8 + room)
  }

  /// Appends one tensor.
  func append(_ name: String, type: NamedTensor.ElementType, shape: [Int], _ bytes: UnsafeRawBufferPointer)
    throws(CheckpointError)
  {
    try file.append(bytes)
    entries.append(
      .init(
        name,
        [
          "dtype": .string(type.rawValue), "shape": .array(shape.map { .int($0) }),
          "data_offsets": [.int(end), .int(end + bytes.count)],
        ]))
    end += bytes.count
  }

  /// Writes the header and closes the file.
  func close() throws(CheckpointError) {
    var header = JSONValue.object(entries).serialized()
    precondition(header.count <= room, "the header outgrew the room that its names were given")
    header += [UInt8](repeating: UInt8(ascii: " "), count: room - header.count)
    try file.seek(to: 0)
    try Bytes(copying: [UInt64(room).littleEndian]).withUnsafeBytes { bytes throws(CheckpointError) in
      try file.append(bytes)
    }
    try Bytes(copying: header).withUnsafeBytes { bytes throws(CheckpointError) in try file.append(bytes) }
    try file.close()
  }
}
