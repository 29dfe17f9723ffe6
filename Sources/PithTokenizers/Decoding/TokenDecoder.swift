/// A step that turns tokens back into text: each works on a list of pieces, which are joined in the end.
indirect enum TokenDecoder: Sendable {
  case sequence([TokenDecoder])
  case byteLevel
  case wordPiece(prefix: [UInt8], cleansUp: Bool)
  case metaspace(replacement: [UInt8], dropsFirst: Bool)
  case byteFallback
  case fuse
  case strip(content: [UInt8], start: Int, stop: Int)
  case replace(Pattern, with: [UInt8])
  case wordSuffix([UInt8])

  func apply(to pieces: [[UInt8]]) -> [[UInt8]] {
    switch self {
    case .sequence(let steps): return steps.reduce(pieces) { $1.apply(to: $0) }
    case .byteLevel:
      var bytes: [UInt8] = []
      for piece in pieces { ByteAlphabet.append(bytesOf: piece[...], to: &bytes) }
      return [Array(String(decoding: bytes, as: UTF8.self).utf8)]
    case .wordPiece(let prefix, let cleansUp):
      return pieces.enumerated().map { index, piece in
        var word = piece
        if index > 0 {
          word =
            piece.starts(with: prefix) ? Array(piece.dropFirst(prefix.count)) : [UInt8(ascii: " ")] + piece
        }
        return cleansUp ? Self.cleanedUp(word) : word
      }
    case .metaspace(let replacement, let dropsFirst):
      return pieces.enumerated().map { index, piece in
        piece.replacing(replacement, with: index == 0 && dropsFirst ? [] : [UInt8(ascii: " ")])
      }
    case .byteFallback: return Self.fallBack(pieces)
    case .fuse: return [Array(pieces.joined())]
    case .strip(let content, let start, let stop):
      return pieces.map { piece in
        var rest = piece[...]
        for _ in 0..<start where rest.starts(with: content) { rest = rest.dropFirst(content.count) }
        for _ in 0..<stop where rest.suffix(content.count).elementsEqual(content) {
          rest = rest.dropLast(content.count)
        }
        return Array(rest)
      }
    case .replace(let pattern, let content):
      return pieces.map { piece in
        var text = piece
        Normalizer.replace(pattern, with: content, in: &text)
        return text
      }
    case .wordSuffix(let suffix):
      return pieces.enumerated().map { index, piece in
        piece.replacing(suffix, with: index == pieces.count - 1 ? [] : [UInt8(ascii: " ")])
      }
    }
  }

  /// Whether tokens of single bytes are put together to text.
  var fallsBackToBytes: Bool {
    switch self {
    case .byteFallback: true
    case .sequence(let steps): steps.contains(where: \.fallsBackToBytes)
    default: false
    }
  }

  /// The byte that a token such as `<0x0A>` stands for.
  static func byte(of token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: Array("<0x".utf8)), token[5] == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
  }

  /// Runs of byte tokens become text; a run that is no text, one U+FFFD for each byte.
  private static func fallBack(_ pieces: [[UInt8]]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var bytes: [UInt8] = []
    func flush() {
      if bytes.isEmpty { return }
      if let text = String(validating: bytes, as: UTF8.self) {
        result.append(Array(text.utf8))
      } else {
        result += bytes.map { _ in Array("\u{FFFD}".utf8) }
      }
      bytes = []
    }
    for piece in pieces {
      if let byte = byte(of: piece) {
        bytes.append(byte)
      } else {
        flush()
        result.append(piece)
      }
    }
    flush()
    return result
  }

  private static let cleanups: [(from: [UInt8], to: [UInt8])] = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (Array($0.utf8), Array($1.utf8)) }

  /// Takes back the spaces that English does not write.
  private static func cleanedUp(_ word: [UInt8]) -> [UInt8] {
    cleanups.reduce(word) { $0.replacing($1.from, with: $1.to) }
  }
}
