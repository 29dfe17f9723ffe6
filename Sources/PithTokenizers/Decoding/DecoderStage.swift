/// One step from tokens back to text, told token by token.
///
/// `decode` and the streaming decoder run the same stages, so that they cannot differ.
struct DecoderStage: Sendable {
  indirect enum Kind: Sendable {
    /// Letters of GPT-2's alphabet become bytes.
    case byteLetters
    case wordPiece(prefix: [UInt8], cleansUp: Bool)
    case metaspace(replacement: [UInt8], dropsFirst: Bool)
    case byteFallback
    case fuse
    case strip(content: UInt32, left: Int, right: Int)
    case replace(SplitPattern, with: [UInt8])
    case wordSuffix([UInt8])
    case ctc(pad: [UInt8], delimiter: [UInt8], cleansUp: Bool)
    /// Puts a space between tokens: what happens without any decoder.
    case spaces

    /// How many times longer a text may become by replacements.
    var growth: Int {
      if case .replace(_, let content) = self { max(content.count, 1) } else { 1 }
    }
  }

  let kind: Kind
  /// Whether what arrives are fragments of a single token, because an earlier stage fused them.
  let isFused: Bool
  private var count = 0
  private var held: [UInt8] = []
  private var hasHeld = false

  init(_ kind: Kind, isFused: Bool) {
    self.kind = kind
    self.isFused = isFused
  }

  /// Takes a token and appends what can be told for certain to `output`.
  mutating func receive(_ token: [UInt8], _ output: inout [[UInt8]]) {
    if isFused {
      receiveFragment(token, &output)
      return
    }
    defer { count += 1 }
    switch kind {
    case .byteFallback: receiveByte(token, &output)
    case .fuse: output.append(token)
    case .wordSuffix(let suffix):
      if hasHeld { output.append(Self.replacing(suffix, with: [0x20], in: held)) }
      (held, hasHeld) = (token, true)
    case .ctc(let pad, let delimiter, let cleansUp):
      if hasHeld, held == token { return }
      (held, hasHeld) = (token, true)
      var text = Self.replacing(pad, with: [], in: token)
      if cleansUp { text = Self.replacing(delimiter, with: [0x20], in: WordPieceCleanup.apply(to: text)) }
      if !text.isEmpty { output.append(text) }
    default: output.append(transformed(token, isFirst: count == 0))
    }
  }

  /// Appends what was held back.
  mutating func finish(_ output: inout [[UInt8]]) {
    if isFused {
      if hasHeld { output.append(transformed(held, isFirst: true)) }
      return
    }
    switch kind {
    case .byteFallback: flushBytes(&output)
    case .wordSuffix(let suffix):
      if hasHeld { output.append(Self.replacing(suffix, with: [], in: held)) }
    default: break
    }
  }

  /// Fragments pass at once where the stage can work on a stream; otherwise they wait for the end.
  private mutating func receiveFragment(_ fragment: [UInt8], _ output: inout [[UInt8]]) {
    switch kind {
    case .fuse: output.append(fragment)
    case .strip(let content, let left, let right) where right == 0:
      var text = fragment[...]
      while count < left, !text.isEmpty {
        guard let rest = Self.dropping(content, from: text) else {
          count = left
          break
        }
        text = rest
        count += 1
      }
      if !text.isEmpty { output.append(Array(text)) }
    case .replace(.scalars, _): output.append(transformed(fragment, isFirst: false))
    default:
      held += fragment
      hasHeld = true
    }
  }

  /// The whole-token stages.
  private func transformed(_ token: [UInt8], isFirst: Bool) -> [UInt8] {
    switch kind {
    case .byteLetters:
      var bytes: [UInt8] = []
      ByteAlphabet.append(bytesOf: token[...], to: &bytes)
      return bytes
    case .wordPiece(let prefix, let cleansUp):
      var text = token
      if !isFirst {
        text = token.starts(with: prefix) ? Array(token.dropFirst(prefix.count)) : [0x20] + token
      }
      return cleansUp ? WordPieceCleanup.apply(to: text) : text
    case .metaspace(let replacement, let dropsFirst):
      return Self.replacing(replacement, with: isFirst && dropsFirst ? [] : [0x20], in: token)
    case .strip(let content, let left, let right):
      var text = token[...]
      for _ in 0..<left {
        guard let rest = Self.dropping(content, from: text) else { break }
        text = rest
      }
      var suffix: [UInt8] = []
      UTF8Text.append(content, to: &suffix)
      for _ in 0..<right where text.count >= suffix.count && text.suffix(suffix.count) == suffix[...] {
        text = text.dropLast(suffix.count)
      }
      return Array(text)
    case .replace(let pattern, let content): return Normalizer.replace(pattern, with: content, in: token)
    case .spaces: return isFirst ? token : [0x20] + token
    case .byteFallback:
      guard let byte = ByteTokens.byte(of: token[...]) else { return token }
      return byte < 0x80 ? [byte] : Array("\u{FFFD}".utf8)
    case .wordSuffix(let suffix): return Self.replacing(suffix, with: [], in: token)
    case .ctc(let pad, let delimiter, let cleansUp):
      let text = Self.replacing(pad, with: [], in: token)
      return cleansUp ? Self.replacing(delimiter, with: [0x20], in: WordPieceCleanup.apply(to: text)) : text
    case .fuse: return token
    }
  }

  private mutating func receiveByte(_ token: [UInt8], _ output: inout [[UInt8]]) {
    if let byte = ByteTokens.byte(of: token[...]) {
      held.append(byte)
    } else {
      flushBytes(&output)
      output.append(token)
    }
  }

  /// A run of byte tokens is text when all of it is valid, and a replacement character each when not.
  private mutating func flushBytes(_ output: inout [[UInt8]]) {
    if held.isEmpty { return }
    if String(validating: held, as: UTF8.self) != nil {
      output.append(held)
    } else {
      for _ in held { output.append(Array("\u{FFFD}".utf8)) }
    }
    held.removeAll(keepingCapacity: true)
  }

  private static func dropping(_ scalar: UInt32, from text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var prefix: [UInt8] = []
    UTF8Text.append(scalar, to: &prefix)
    return text.starts(with: prefix) ? text.dropFirst(prefix.count) : nil
  }

  private static func replacing(_ old: [UInt8], with new: [UInt8], in text: [UInt8]) -> [UInt8] {
    old.isEmpty ? text : Normalizer.replace(.literal(old), with: new, in: text)
  }
}
