/// Scalars in UTF-8 bytes that are known to be valid text.
///
/// Reads never leave the buffer, whatever it holds.
enum UTF8Text {
  /// Decodes the scalar at `position` and moves past it.
  @inline(__always)
  static func decode(_ text: UnsafeBufferPointer<UInt8>, _ position: inout Int) -> UInt32 {
    let lead = UInt32(text[position])
    if lead < 0x80 {
      position &+= 1
      return lead
    }
    return decodeMultibyte(text, &position, lead)
  }

  private static func decodeMultibyte(
    _ text: UnsafeBufferPointer<UInt8>, _ position: inout Int, _ lead: UInt32
  ) -> UInt32 {
    let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    guard position + length <= text.count else {
      position = text.count
      return 0xFFFD
    }
    var scalar = lead & (0x7F >> UInt32(length))
    for offset in 1..<length { scalar = scalar << 6 | UInt32(text[position + offset] & 0x3F) }
    position += length
    return scalar
  }

  /// The number of bytes of the scalar that begins with this byte.
  @inline(__always)
  static func length(lead: UInt8) -> Int { lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4 }

  /// The start of the scalar that ends before `position`.
  @inline(__always)
  static func start(before position: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
    var start = position &- 1
    while start > 0, text[start] & 0xC0 == 0x80 { start &-= 1 }
    return start
  }

  /// Appends a scalar; one that is none becomes U+FFFD.
  @inline(__always)
  static func append(_ scalar: UInt32, to output: inout [UInt8]) {
    if scalar < 0x80 {
      output.append(UInt8(truncatingIfNeeded: scalar))
    } else if scalar < 0x800 {
      output.append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
      output.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
    } else {
      let valid = Unicode.Scalar(scalar) ?? "\u{FFFD}"
      output.append(contentsOf: String(valid).utf8)
    }
  }

  static func scalars(of bytes: some Sequence<UInt8>) -> [UInt32] {
    String(decoding: Array(bytes), as: UTF8.self).unicodeScalars.map(\.value)
  }
}

extension [UInt8] {
  /// Appends a stretch of a buffer in one copy, which the generic path for slices is not.
  @inline(__always)
  mutating func append(_ range: Range<Int>, of text: UnsafeBufferPointer<UInt8>) {
    append(contentsOf: UnsafeBufferPointer(rebasing: text[range]))
  }
}
