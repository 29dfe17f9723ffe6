import PithJSON

/// A JSON text that is written from its parts, for vocabularies too long to be built as values first.
struct JSONText {
  private(set) var bytes: [UInt8] = []

  /// Appends JSON.
  mutating func append(_ text: String) { bytes += text.utf8 }

  /// Appends a value.
  mutating func append(_ value: JSONValue) { bytes += value.serialized() }

  /// Appends a string of UTF-8 bytes.
  mutating func append(string: [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in string {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20:
        let digits = String(byte, radix: 16)
        append("\\u00\(digits.count < 2 ? "0" : "")\(digits)")
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
