/// GPT-2's alphabet: each byte as a printable character, so that any text is a string of 256 letters.
///
/// Printable Latin-1 stands for itself; the others follow from U+0100 on.
enum ByteAlphabet {
  /// The scalar of each byte.
  static let scalars: [UInt32] = {
    var next: UInt32 = 0x100
    return (0...255).map { (byte: UInt32) in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
      default:
        defer { next += 1 }
        return next
      }
    }
  }()

  /// The byte of each scalar below 0x144, or nil.
  static let bytes: [UInt8?] = {
    var table = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = UInt8(byte) }
    return table
  }()

  /// Appends the letters that stand for the bytes.
  static func append(lettersOf bytes: some Sequence<UInt8>, to output: inout [UInt8]) {
    let scalars = scalars
    for byte in bytes { UTF8Text.append(scalars[Int(byte)], to: &output) }
  }

  /// Appends the bytes that the letters stand for; the text itself when some letter is none of the alphabet.
  static func append(bytesOf letters: ArraySlice<UInt8>, to output: inout [UInt8]) {
    let start = output.count
    let table = bytes
    let isOfAlphabet = letters.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count {
        let scalar = Int(UTF8Text.decode(text, &position))
        guard scalar < table.count, let byte = table[scalar] else { return false }
        output.append(byte)
      }
      return true
    }
    if !isOfAlphabet {
      output.removeSubrange(start...)
      output.append(contentsOf: letters)
    }
  }
}
