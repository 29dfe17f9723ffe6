extension Parser {
  /// Checks the string that starts at `position` and puts it on the tape, still escaped.
  mutating func parseString() throws(JSONError) {
    let start = position + 1
    position = start
    var isEscaped = false
    while true {
      skipPlainASCII()
      guard position < source.count else {
        throw JSONError(offset: start - 1, message: "This string never ends.")
      }
      let byte = source[position]
      if byte == UInt8(ascii: "\"") { break }
      if byte == UInt8(ascii: "\\") {
        isEscaped = true
        try skipEscape()
      } else if byte < 0x20 {
        throw fault("A control character must be escaped inside a string.")
      } else {
        try skipMultibyteScalar()
      }
    }
    tape.append(Node(isEscaped ? .escapedString : .plainString, extent: position - start, place: start))
    position += 1
  }

  /// Skips bytes that need no thought: ASCII other than quotes, backslashes and control characters.
  @inline(__always)
  private mutating func skipPlainASCII() {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    let raw = UnsafeRawPointer(source.baseAddress.unsafelyUnwrapped)
    while position + 8 <= source.count {
      let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      // A byte of zero, found by borrow: exact for the lowest hit, which is the only one used.
      let quote = word ^ (ones &* 0x22)
      let slash = word ^ (ones &* 0x5C)
      let hits = ((quote &- ones) | (slash &- ones) | (word &- ones &* 0x20) | word) & highs
      if hits != 0 {
        position += hits.trailingZeroBitCount / 8
        let byte = source[position]
        // A false hit is possible only through a borrow from a true one below it, hence never the lowest.
        if byte < 0x20 || byte >= 0x80 || byte == 0x22 || byte == 0x5C { return }
        position += 1
      } else {
        position += 8
      }
    }
    while position < source.count {
      let byte = source[position]
      if byte < 0x20 || byte >= 0x80 || byte == 0x22 || byte == 0x5C { return }
      position += 1
    }
  }

  private mutating func skipEscape() throws(JSONError) {
    guard position + 1 < source.count else { throw fault("The document ends inside an escape.") }
    switch source[position + 1] {
    case UInt8(ascii: "u"):
      let unit = try hexadecimal(at: position + 2)
      if unit & 0xFC00 == 0xD800 {
        guard position + 7 < source.count, source[position + 6] == UInt8(ascii: "\\"),
          source[position + 7] == UInt8(ascii: "u"), try hexadecimal(at: position + 8) & 0xFC00 == 0xDC00
        else { throw fault("A surrogate escape stands alone, which names no character.") }
        position += 12
      } else if unit & 0xFC00 == 0xDC00 {
        throw fault("A surrogate escape stands alone, which names no character.")
      } else {
        position += 6
      }
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 2
    default: throw fault("JSON has no such escape.")
    }
  }

  private func hexadecimal(at offset: Int) throws(JSONError) -> UInt32 {
    guard offset + 4 <= source.count else { throw fault("The document ends inside an escape.") }
    var value: UInt32 = 0
    for byte in source[offset..<offset + 4] {
      guard let digit = hexadecimalDigit(byte) else {
        throw fault("Four hexadecimal digits must follow \\u.")
      }
      value = value << 4 | digit
    }
    return value
  }

  /// Skips one scalar of two to four bytes, in the ranges of Unicode's table of well-formed byte sequences.
  private mutating func skipMultibyteScalar() throws(JSONError) {
    let lead = source[position]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: throw fault("This byte is not valid UTF-8.")
    }
    guard position + length <= source.count, second.contains(source[position + 1]) else {
      throw fault("This byte is not valid UTF-8.")
    }
    for index in 2..<max(length, 2) where source[position + index] & 0xC0 != 0x80 {
      throw fault("This byte is not valid UTF-8.")
    }
    position += length
  }
}

@inline(__always)
func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
  case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
  case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
  default: nil
  }
}

/// Appends the bytes that an escaped string stands for; `raw` has been checked by the parser.
func unescape(_ raw: Slice<UnsafeBufferPointer<UInt8>>, into output: inout [UInt8]) {
  var index = raw.startIndex
  func unit(at offset: Int) -> UInt32 {
    raw[offset..<offset + 4].reduce(0) { $0 << 4 | hexadecimalDigit($1).unsafelyUnwrapped }
  }
  while index < raw.endIndex {
    let byte = raw[index]
    guard byte == UInt8(ascii: "\\") else {
      output.append(byte)
      index += 1
      continue
    }
    let escape = raw[index + 1]
    index += 2
    switch escape {
    case UInt8(ascii: "b"): output.append(0x08)
    case UInt8(ascii: "f"): output.append(0x0C)
    case UInt8(ascii: "n"): output.append(0x0A)
    case UInt8(ascii: "r"): output.append(0x0D)
    case UInt8(ascii: "t"): output.append(0x09)
    case UInt8(ascii: "u"):
      var scalar = unit(at: index)
      index += 4
      if scalar & 0xFC00 == 0xD800 {
        scalar = 0x10000 + (scalar & 0x3FF) << 10 + (unit(at: index + 2) & 0x3FF)
        index += 6
      }
      output.append(contentsOf: UTF8.encode(Unicode.Scalar(scalar).unsafelyUnwrapped).unsafelyUnwrapped)
    default: output.append(escape)
    }
  }
}
