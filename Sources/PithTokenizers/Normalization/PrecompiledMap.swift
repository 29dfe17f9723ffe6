import Foundation

/// The character map of a sentencepiece model: a double-array trie from texts to offsets in a list of replacements.
struct PrecompiledMap: Sendable {
  private let trie: [UInt32]
  private let replacements: [UInt8]

  /// Reads the map from its text in base 64.
  init(base64 text: String) throws(TokenizerError) {
    guard let data = Data(base64Encoded: text).map([UInt8].init), data.count >= 4 else {
      throw TokenizerError("The precompiled character map is not base 64; save the tokenizer again.")
    }
    let size = Int(data[0]) | Int(data[1]) << 8 | Int(data[2]) << 16 | Int(data[3]) << 24
    guard size > 0, size % 4 == 0, size <= data.count - 4 else {
      throw TokenizerError(
        "The precompiled character map claims a size that it has not; save the tokenizer again.")
    }
    trie = stride(from: 4, to: 4 + size, by: 4).map { at in
      UInt32(data[at]) | UInt32(data[at + 1]) << 8 | UInt32(data[at + 2]) << 16 | UInt32(data[at + 3]) << 24
    }
    replacements = Array(data[(4 + size)...])
  }

  /// Replaces each grapheme of up to five bytes that the map knows, and the known scalars of longer ones.
  func apply(to text: inout [UInt8]) {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for character in String(decoding: text, as: UTF8.self) {
      let grapheme = Array(character.utf8)
      if grapheme.count < 6, let replacement = replacement(of: grapheme) {
        output += replacement
        continue
      }
      for scalar in character.unicodeScalars {
        let bytes = Array(String(scalar).utf8)
        output += replacement(of: bytes) ?? bytes[...]
      }
    }
    text = output
  }

  /// What the shortest known beginning of a text is replaced by.
  private func replacement(of text: [UInt8]) -> ArraySlice<UInt8>? {
    var node = 0
    var unit = trie[0]
    node ^= Self.offset(unit)
    for byte in text {
      guard byte != 0 else { return nil }
      node ^= Int(byte)
      guard node < trie.count else { return nil }
      unit = trie[node]
      guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
      node ^= Self.offset(unit)
      guard node < trie.count else { return nil }
      if unit >> 8 & 1 == 1 {
        let start = Int(trie[node] & 0x7FFF_FFFF)
        guard start <= replacements.count else { return nil }
        return replacements[start...].prefix { $0 != 0 }
      }
    }
    return nil
  }

  private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & (1 << 9)) >> 6) }
}
