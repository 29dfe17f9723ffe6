/// SentencePiece's precompiled character map: a double-array trie from byte sequences to their replacements.
///
/// The layout is that of Darts-clone (https://github.com/s-yata/darts-clone): 32-bit units in which a leaf bit,
/// a label and an offset are packed; the replacements follow, each ended by a zero byte.
struct PrecompiledMap: Sendable {
  /// No real replacement comes near; a file's fault must not make texts grow without bound.
  private static let longestReplacement = 1024

  private let units: [UInt32]
  private let replacements: [UInt8]
  /// The replacement of each ASCII byte that stands alone; nil where it stays.
  private var ascii: [[UInt8]?] = []

  /// Reads the map from its bytes: the size of the trie in four bytes, the trie, the replacements.
  init(_ blob: [UInt8]) throws(TokenizerError) {
    let header = blob.prefix(4)
    let size = header.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard header.count == 4, size % 4 == 0, size <= blob.count - 4 else {
      throw TokenizerError("The precompiled character map is cut short; take it again from its source.")
    }
    units = stride(from: 4, to: 4 + size, by: 4).map { offset in
      blob[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    replacements = Array(blob[(4 + size)...])
    ascii = (0..<128).map { byte in
      [UInt8(byte)].withUnsafeBufferPointer { replacement(of: $0) }
    }
  }

  /// The replacement of the shortest key that begins the bytes, which is what the reference looks up.
  private func replacement(of bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard let root = units.first else { return nil }
    var node = Self.offset(root)
    for byte in bytes {
      // In a map made for C strings, a zero byte ends every key.
      guard byte != 0 else { return nil }
      node ^= Int(byte)
      guard node < units.count, units[node] & 0x8000_00FF == UInt32(byte) else { return nil }
      let unit = units[node]
      node ^= Self.offset(unit)
      guard unit >> 8 & 1 == 1 else { continue }
      guard node < units.count else { return nil }
      let start = Int(units[node] & 0x7FFF_FFFF)
      guard start <= replacements.count else { return nil }
      let window = replacements[start...].prefix(Self.longestReplacement)
      let end = window.firstIndex(of: 0) ?? window.endIndex
      // A file may point into the middle of a character; what is decoded is valid whatever it holds.
      return Array(String(decoding: replacements[start..<end], as: UTF8.self).utf8)
    }
    return nil
  }

  private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }

  func apply(to text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var position = 0
    while position < text.count {
      let byte = text[position]
      let next = position + 1 < text.count ? text[position + 1] : 0
      // An ASCII character before another one is a grapheme of its own, save for CR LF.
      if byte < 0x80, next < 0x80, byte != 0x0D {
        if let replacement = ascii[Int(byte)] { output += replacement } else { output.append(byte) }
        position += 1
        continue
      }
      var end = position
      while end < text.count,
        text[end] >= 0x80 || end == position || text[end] == 0x0A && text[end - 1] == 0x0D
      {
        end += 1
      }
      // The character after the run starts a grapheme of its own unless it carries marks, which are not ASCII.
      for grapheme in String(decoding: text[position..<end], as: UTF8.self) {
        append(grapheme, to: &output)
      }
      position = end
    }
    return output
  }

  private func append(_ grapheme: Character, to output: inout [UInt8]) {
    let bytes = Array(grapheme.utf8)
    if bytes.count < 6, let whole = bytes.withUnsafeBufferPointer({ replacement(of: $0) }) {
      output += whole
      return
    }
    for scalar in grapheme.unicodeScalars {
      let bytes = Array(String(scalar).utf8)
      output += bytes.withUnsafeBufferPointer { replacement(of: $0) } ?? bytes
    }
  }
}
