import PithJSON
import PithTensors

/// The header of a safetensors file, verified against the file's size.
struct SafetensorsHeader {
  private static let maximumRank = 32

  private let name: String
  private let data: Bytes
  private(set) var entries: [SafetensorsFile.Entry] = []
  private(set) var metadata: [(key: String, value: String)] = []

  init(_ file: Bytes, name: String) throws(CheckpointError) {
    self.name = name
    guard file.count >= 8 else {
      throw .badData(path: name, fault: "\(file.count) bytes are too few for a safetensors file")
    }
    let length = UInt64(littleEndian: file.unsafePointer.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(SafetensorsFile.maximumHeaderSize), length <= UInt64(file.count - 8) else {
      throw .badData(
        path: name,
        fault: "the header claims \(length) bytes, but the file has \(file.count) and the format allows"
          + " \(SafetensorsFile.maximumHeaderSize)")
    }
    let headerEnd = 8 + Int(length)
    let header = file[8..<headerEnd]
    guard header.count > 0, header.unsafePointer[0] == UInt8(ascii: "{") else {
      throw .badData(path: name, fault: "the header does not begin with '{'")
    }
    data = file[headerEnd..<file.count]
    let json = try JSON(parsing: header, of: name)
    var ranges: [Range<Int>] = []
    for member in json.object ?? .empty {
      let key = member.key
      if key == "__metadata__" {
        metadata = try readMetadata(member.value)
      } else {
        let range = try readEntry(key, member.value)
        ranges.append(range)
      }
    }
    try checkCoverage(ranges)
  }

  private func readMetadata(_ json: JSON) throws(CheckpointError) -> [(key: String, value: String)] {
    guard let members = json.object else { throw fault("__metadata__ is not an object") }
    var metadata: [(key: String, value: String)] = []
    for member in members {
      guard let value = member.value.string else {
        throw fault("__metadata__ maps \(member.key.quoted) to something that is not a string")
      }
      metadata.append((member.key, value))
    }
    return metadata
  }

  private mutating func readEntry(_ key: String, _ json: JSON) throws(CheckpointError) -> Range<Int> {
    guard json.kind == .object, let typeName = json["dtype"]?.string else {
      throw fault("tensor \(key.quoted) has no dtype")
    }
    guard let type = SafetensorsType(rawValue: typeName) else {
      let known = SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ")
      throw .badData(
        path: name, fault: "tensor \(key.quoted) has the unknown dtype \(typeName.quoted)",
        mend: "store it as one of \(known)")
    }
    let shape = try naturals(json["shape"], of: key, "shape", limit: Self.maximumRank)
    let offsets = try naturals(json["data_offsets"], of: key, "data_offsets", limit: 2)
    guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= data.count else {
      throw fault("tensor \(key.quoted) lies at \(offsets), outside of the \(data.count) bytes of data")
    }
    let range = offsets[0]..<offsets[1]
    guard let size = type.byteCount(shape), size == range.count else {
      throw fault(
        "tensor \(key.quoted) has \(range.count) bytes, which is not what \(typeName) of shape \(shape) takes"
      )
    }
    entries.append(.init(name: key, type: type, shape: shape, bytes: data[range]))
    return range
  }

  private func naturals(
    _ json: JSON?, of key: String, _ what: String, limit: Int
  ) throws(CheckpointError) -> [Int] {
    guard let elements = json?.array, elements.count <= limit else {
      throw fault("tensor \(key.quoted) has no \(what), or one of more than \(limit) numbers")
    }
    var values: [Int] = []
    for element in elements {
      guard let value = element.int, value >= 0 else {
        throw fault("the \(what) of tensor \(key.quoted) holds something that is not a natural number")
      }
      values.append(value)
    }
    return values
  }

  /// The ranges must cover the data from its first byte to its last.
  private func checkCoverage(_ ranges: [Range<Int>]) throws(CheckpointError) {
    var end = 0
    let order = ranges.indices.sorted {
      (ranges[$0].lowerBound, ranges[$0].upperBound) < (ranges[$1].lowerBound, ranges[$1].upperBound)
    }
    for index in order {
      let range = ranges[index]
      guard range.lowerBound == end else {
        let relation = range.lowerBound < end ? "overlaps the one before it" : "leaves a hole before it"
        throw fault("tensor \(entries[index].name.quoted) at byte \(range.lowerBound) \(relation)")
      }
      end = range.upperBound
    }
    guard end == data.count else {
      throw fault("the tensors take \(end) bytes, but the data has \(data.count)")
    }
  }

  private func fault(_ fault: String) -> CheckpointError { .badData(path: name, fault: fault) }
}
