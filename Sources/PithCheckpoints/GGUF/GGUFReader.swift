import PithTensors

/// Reads a GGUF file from front to back; nothing is used before it is known to lie within the file.
struct GGUFReader {
  /// Arrays within arrays: the format allows any depth, and no tool writes more than one.
  private static let maximumDepth = 4

  let file: Bytes
  let name: String
  private(set) var position = 0

  init(_ file: Bytes, name: String) {
    self.file = file
    self.name = name
  }

  /// The bytes that have not been read.
  var remaining: Int { file.count - position }

  func fault(_ fault: String) -> CheckpointError { .badData(path: name, fault: fault) }

  /// Steps over `count` bytes and returns where they start.
  mutating func take(_ count: UInt64, _ what: @autoclosure () -> String) throws(CheckpointError) -> Int {
    guard count <= UInt64(remaining) else {
      throw fault(
        "the file ends within \(what()): \(count) bytes at byte \(position), and it has \(file.count)")
    }
    defer { position += Int(count) }
    return position
  }

  mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ what: @autoclosure () -> String
  ) throws(CheckpointError) -> T {
    let start = try take(UInt64(MemoryLayout<T>.size), what())
    return T(littleEndian: file.unsafePointer.loadUnaligned(fromByteOffset: start, as: T.self))
  }

  /// A name: text that must be UTF-8.
  mutating func name(_ what: @autoclosure () -> String) throws(CheckpointError) -> String {
    let range = try stringRange(what())
    guard let text = file[range].withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw fault("\(what()) at byte \(range.lowerBound) is not UTF-8")
    }
    return text
  }

  private mutating func stringRange(_ what: @autoclosure () -> String) throws(CheckpointError) -> Range<Int> {
    let length = try integer(UInt64.self, what())
    let start = try take(length, what())
    return start..<position
  }

  private mutating func kind(of key: String) throws(CheckpointError) -> GGUFValue.Kind {
    let number = try integer(UInt32.self, "the type of \(key.quoted)")
    guard let kind = GGUFValue.Kind(rawValue: number) else {
      throw fault("\(key.quoted) is of type \(number), and types of values are 0 to 12")
    }
    return kind
  }

  mutating func value(of key: String) throws(CheckpointError) -> GGUFValue {
    let kind = try kind(of: key)
    switch kind {
    case .uint8: return .uint8(try integer(UInt8.self, key.quoted))
    case .int8: return .int8(try integer(Int8.self, key.quoted))
    case .uint16: return .uint16(try integer(UInt16.self, key.quoted))
    case .int16: return .int16(try integer(Int16.self, key.quoted))
    case .uint32: return .uint32(try integer(UInt32.self, key.quoted))
    case .int32: return .int32(try integer(Int32.self, key.quoted))
    case .uint64: return .uint64(try integer(UInt64.self, key.quoted))
    case .int64: return .int64(try integer(Int64.self, key.quoted))
    case .float32: return .float32(Float(bitPattern: try integer(UInt32.self, key.quoted)))
    case .float64: return .float64(Double(bitPattern: try integer(UInt64.self, key.quoted)))
    case .bool:
      let byte = try integer(UInt8.self, key.quoted)
      guard byte <= 1 else { throw fault("\(key.quoted) is a truth value of \(byte)") }
      return .bool(byte == 1)
    case .string:
      let range = try stringRange(key.quoted)
      return .string(file[range].withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
    case .array: return .array(try array(of: key, depth: 1))
    }
  }

  /// Steps over an array, checking every length in it.
  private mutating func array(of key: String, depth: Int) throws(CheckpointError) -> GGUFArray {
    guard depth <= Self.maximumDepth else {
      throw fault("\(key.quoted) nests arrays deeper than \(Self.maximumDepth) levels")
    }
    let kind = try kind(of: key)
    let count = try integer(UInt64.self, key.quoted)
    let smallest = kind.size ?? (kind == .string ? 8 : 12)
    guard count <= UInt64(remaining / smallest) else {
      throw fault("\(key.quoted) claims \(count) elements, and the file has \(remaining) bytes left")
    }
    let start = position
    switch kind {
    case .string:
      for _ in 0..<count { _ = try stringRange(key.quoted) }
    case .array:
      for _ in 0..<count { _ = try array(of: key, depth: depth + 1) }
    default:
      _ = try take(count * UInt64(smallest), key.quoted)
    }
    return GGUFArray(elementKind: kind, count: Int(count), payload: file[start..<position])
  }
}
