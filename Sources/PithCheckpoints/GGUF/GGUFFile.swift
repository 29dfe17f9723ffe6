import PithTensors

/// A GGUF file, version 2 or 3: metadata and named tensors over the file's mapped memory.
///
///     let file = try GGUFFile(path: "model.gguf")
///     let blocks = file.metadata["llama.block_count"]?.int
///     let tensor = file["blk.0.attn_q.weight"]   // type, shape, and bytes that share the file's memory
///
/// Every count, length and offset is verified before it is used. Source: the format's specification,
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
public struct GGUFFile: Sendable {
  /// One tensor.
  public struct Entry: Sendable {
    /// The tensor's name, unique in the file.
    public let name: String
    /// The type of the elements.
    public let type: GGUFType
    /// The extent of each dimension, slowest first: the reverse of the file's order.
    public let shape: [Int]
    /// The elements, row-major, sharing the file's memory.
    public let bytes: Bytes
  }

  static let magic: UInt32 = 0x4655_4747
  static let defaultAlignment = 32

  /// The file's path, or the name it was given.
  public let name: String
  /// The version of the format.
  public let version: UInt32
  /// The keys and values.
  public let metadata: GGUFMetadata
  /// The tensors in the file's order.
  public let entries: [Entry]
  private let positions: [String: Int]

  /// Maps and verifies a file, and with the first file of a split model (`NAME-00001-of-00003.gguf`) the others.
  public init(path: String) throws(CheckpointError) {
    let first = try GGUFFile(Bytes(opening: path), name: path)
    let others = try first.otherShards()
    self = others.isEmpty ? first : try GGUFFile(first, followedBy: others)
  }

  /// Verifies a file that is in memory; `name` is what errors call it.
  public init(_ file: Bytes, name: String) throws(CheckpointError) {
    defer { withExtendedLifetime(file) {} }
    var reader = GGUFReader(file, name: name)
    self.name = name
    version = try reader.version()
    let tensorCount = try reader.integer(UInt64.self, "the number of tensors")
    let keyCount = try reader.integer(UInt64.self, "the number of keys")
    metadata = try reader.metadata(count: keyCount)
    let infos = try reader.infos(count: tensorCount)
    entries = try reader.entries(infos, alignment: reader.alignment(metadata))
    positions = Dictionary(uniqueKeysWithValues: zip(infos.map(\.name), infos.indices))
  }

  /// A model in several files, under the name and keys of its first.
  private init(_ first: GGUFFile, followedBy others: [GGUFFile]) throws(CheckpointError) {
    name = first.name
    version = first.version
    metadata = first.metadata
    entries = others.reduce(first.entries) { $0 + $1.entries }
    positions = Dictionary(zip(entries.map(\.name), entries.indices)) { first, _ in first }
    if positions.count < entries.count {
      throw .badData(path: name, fault: "two files of the split model hold a tensor of the same name")
    }
    if let total = metadata["split.tensors.count"]?.int, total != entries.count {
      throw .badData(
        path: name, fault: "the split model claims \(total) tensors, and its files hold \(entries.count)")
    }
  }

  /// The tensor of a name.
  public subscript(name: String) -> Entry? { positions[name].map { entries[$0] } }

  /// Whether a file starts like one in this format, of either byte order.
  static func isRecognized(_ file: Bytes) -> Bool {
    file.count >= 4 && UInt32(littleEndian: file.unsafePointer.loadUnaligned(as: UInt32.self)) == magic
  }
}

/// What the file says of a tensor before its bytes are looked for.
private struct TensorInfo {
  let name: String
  let type: GGUFType
  let shape: [Int]
  let size: Int
  let offset: UInt64
}

extension GGUFReader {
  fileprivate mutating func version() throws(CheckpointError) -> UInt32 {
    guard GGUFFile.isRecognized(file) else {
      throw .badData(
        path: name, fault: "the file does not begin with 'GGUF'",
        mend: "give a .gguf file, or the folder that holds config.json and the weights")
    }
    _ = try take(4, "the magic")
    let version = try integer(UInt32.self, "the version")
    if (1...0xFFFF).contains(version.byteSwapped) {
      throw .badData(path: name, fault: "the file is big-endian", mend: "convert it to little-endian")
    }
    guard version == 2 || version == 3 else {
      throw .badData(
        path: name, fault: "the file is of GGUF version \(version)", mend: "convert it to version 2 or 3")
    }
    return version
  }

  fileprivate mutating func metadata(count: UInt64) throws(CheckpointError) -> GGUFMetadata {
    // The smallest key takes 8 bytes of length, 4 of type and 1 of value.
    guard count <= UInt64(remaining / 13) else {
      throw fault("the file claims \(count) keys, and has \(remaining) bytes left")
    }
    var metadata = GGUFMetadata()
    for index in 0..<count {
      let key = try name("key \(index)")
      let value = try value(of: key)
      guard metadata.insert(key, value) else { throw fault("the key \(key.quoted) occurs twice") }
    }
    return metadata
  }

  fileprivate mutating func infos(count: UInt64) throws(CheckpointError) -> [TensorInfo] {
    // The smallest description takes 8 bytes of length, 4 of rank, 4 of type and 8 of offset.
    guard count <= UInt64(remaining / 24) else {
      throw fault("the file claims \(count) tensors, and has \(remaining) bytes left")
    }
    var infos: [TensorInfo] = []
    var names: Set<String> = []
    infos.reserveCapacity(Int(count))
    for index in 0..<count {
      let info = try info(index)
      guard names.insert(info.name).inserted else {
        throw fault("the tensor \(info.name.quoted) occurs twice")
      }
      infos.append(info)
    }
    return infos
  }

  private mutating func info(_ index: UInt64) throws(CheckpointError) -> TensorInfo {
    let name = try name("the name of tensor \(index)")
    let rank = try integer(UInt32.self, "the rank of tensor \(name.quoted)")
    guard rank <= 4 else { throw fault("tensor \(name.quoted) has \(rank) dimensions, and the most are 4") }
    var shape: [Int] = []
    for _ in 0..<rank {
      let extent = try integer(UInt64.self, "the shape of tensor \(name.quoted)")
      guard let extent = Int(exactly: extent) else {
        throw fault("tensor \(name.quoted) has a dimension of \(extent)")
      }
      shape.append(extent)
    }
    shape.reverse()
    let id = try integer(UInt32.self, "the type of tensor \(name.quoted)")
    guard let type = GGUFType(id: id) else {
      let known = GGUFType.all.map(\.name).joined(separator: ", ")
      throw .badData(
        path: self.name, fault: "tensor \(name.quoted) is of the unknown type \(id)",
        mend: "convert it to one of \(known)")
    }
    guard let size = type.byteCount(shape) else {
      throw fault("tensor \(name.quoted) of shape \(shape) does not divide into blocks of \(type.name)")
    }
    let offset = try integer(UInt64.self, "the offset of tensor \(name.quoted)")
    return TensorInfo(name: name, type: type, shape: shape, size: size, offset: offset)
  }

  fileprivate func alignment(_ metadata: GGUFMetadata) throws(CheckpointError) -> Int {
    guard let value = metadata["general.alignment"] else { return GGUFFile.defaultAlignment }
    guard case .uint32(let alignment) = value, alignment.nonzeroBitCount == 1 else {
      throw fault("general.alignment is not a power of two of 32 bits")
    }
    return Int(alignment)
  }

  /// The tensors with their bytes: at aligned offsets, within the file, none over another.
  fileprivate func entries(
    _ infos: [TensorInfo], alignment: Int
  ) throws(CheckpointError) -> [GGUFFile.Entry] {
    let dataStart = (position + alignment - 1) / alignment * alignment
    let data = file[min(dataStart, file.count)..<file.count]
    var entries: [GGUFFile.Entry] = []
    entries.reserveCapacity(infos.count)
    for info in infos {
      guard info.offset % UInt64(alignment) == 0 else {
        throw fault(
          "tensor \(info.name.quoted) is at \(info.offset), which is not a multiple of \(alignment)")
      }
      guard info.offset <= UInt64(data.count), info.size <= data.count - Int(info.offset) else {
        throw fault(
          "tensor \(info.name.quoted) takes \(info.size) bytes at \(info.offset), and the data has \(data.count)"
        )
      }
      let start = Int(info.offset)
      entries.append(
        .init(name: info.name, type: info.type, shape: info.shape, bytes: data[start..<(start + info.size)]))
    }
    var end = 0
    for info in infos.filter({ $0.size > 0 }).sorted(by: { $0.offset < $1.offset }) {
      guard info.offset >= end else { throw fault("tensor \(info.name.quoted) overlaps another") }
      end = Int(info.offset) + info.size
    }
    return entries
  }
}
