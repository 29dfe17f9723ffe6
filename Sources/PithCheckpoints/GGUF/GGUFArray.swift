import PithTensors

/// An array in a GGUF file's metadata, kept as it lies in the file and decoded when asked for.
///
/// A vocabulary of 262,144 strings thus costs nothing until it is read, once, from front to back.
public struct GGUFArray: Sendable {
  /// The type of the elements.
  public let elementKind: GGUFValue.Kind
  /// The number of elements.
  public let count: Int
  /// The elements one after the other, as the file encodes them; verified by whoever made the array.
  let payload: Bytes

  init(elementKind: GGUFValue.Kind, count: Int, payload: Bytes) {
    self.elementKind = elementKind
    self.count = count
    self.payload = payload
  }

  /// The integers, of whatever size; nil when the elements are something else or `Int` cannot hold one.
  public var ints: [Int]? {
    switch elementKind {
    case .uint8: payload.array(of: UInt8.self).map { Int($0) }
    case .int8: payload.array(of: Int8.self).map { Int($0) }
    case .uint16: payload.array(of: UInt16.self).map { Int(UInt16(littleEndian: $0)) }
    case .int16: payload.array(of: Int16.self).map { Int(Int16(littleEndian: $0)) }
    case .uint32: payload.array(of: UInt32.self).map { Int(UInt32(littleEndian: $0)) }
    case .int32: payload.array(of: Int32.self).map { Int(Int32(littleEndian: $0)) }
    case .int64: payload.array(of: Int64.self).map { Int(Int64(littleEndian: $0)) }
    case .uint64: whole(payload.array(of: UInt64.self))
    default: nil
    }
  }

  private func whole(_ values: [UInt64]) -> [Int]? {
    let ints = values.compactMap { Int(exactly: UInt64(littleEndian: $0)) }
    return ints.count == values.count ? ints : nil
  }

  /// The floating-point numbers, as float32; nil when the elements are something else.
  public var floats: [Float]? {
    switch elementKind {
    case .float32: payload.array(of: UInt32.self).map { Float(bitPattern: UInt32(littleEndian: $0)) }
    case .float64: payload.array(of: UInt64.self).map { Float(Double(bitPattern: UInt64(littleEndian: $0))) }
    default: nil
    }
  }

  /// The truth values; nil when the elements are something else.
  public var bools: [Bool]? {
    elementKind == .bool ? payload.array(of: UInt8.self).map { $0 != 0 } : nil
  }

  /// The strings, with U+FFFD for bytes that are not UTF-8; nil when the elements are something else.
  public var strings: [String]? { decode(.string) { String(decoding: $0, as: UTF8.self) } }

  /// The exact bytes of the strings; nil when the elements are something else.
  public var utf8: [[UInt8]]? { decode(.string) { [UInt8]($0) } }

  private func decode<Element>(
    _ kind: GGUFValue.Kind, _ element: (UnsafeRawBufferPointer) -> Element
  ) -> [Element]? {
    guard elementKind == kind else { return nil }
    return payload.withUnsafeBytes { source in
      var position = 0
      var elements: [Element] = []
      elements.reserveCapacity(count)
      for _ in 0..<count {
        let length = Int(
          UInt64(littleEndian: source.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
        let start = position + 8
        position = start + length
        elements.append(element(UnsafeRawBufferPointer(rebasing: source[start..<position])))
      }
      return elements
    }
  }
}

extension GGUFArray {
  /// An array of strings.
  public init(_ strings: [String]) {
    var payload: [UInt8] = []
    for string in strings {
      payload.append(littleEndian: UInt64(string.utf8.count))
      payload.append(contentsOf: string.utf8)
    }
    self.init(elementKind: .string, count: strings.count, payload: Bytes(copying: payload))
  }

  /// An array of 32-bit integers.
  public init(_ values: [Int32]) {
    self.init(
      elementKind: .int32, count: values.count, payload: Bytes(copying: values.map(\.littleEndian)))
  }

  /// An array of float32 numbers.
  public init(_ values: [Float]) {
    self.init(
      elementKind: .float32, count: values.count,
      payload: Bytes(copying: values.map(\.bitPattern.littleEndian)))
  }
}

extension [UInt8] {
  /// Appends the bytes of an integer, lowest first.
  mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}
