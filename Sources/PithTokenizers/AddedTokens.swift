/// Tokens that are found in a text before anything else is done to it.
struct AddedTokens: Sendable {
  /// One of them.
  struct Token: Sendable {
    let id: Int32
    let content: [UInt8]
    let isSpecial: Bool
    /// Whether it takes white space on its left or right with it.
    let takesLeft: Bool
    let takesRight: Bool
    /// Whether it is only found as a word of its own.
    let isWord: Bool
    /// Whether it is looked for in normalized text.
    let isNormalized: Bool
  }

  /// A part of a text: one of these tokens, or text.
  enum Part {
    case token(Int32)
    case text(Range<Int>)
  }

  private(set) var tokens: [Int32: Token] = [:]
  private var plain = Trie()
  private var normalized = Trie()

  init(_ tokens: [Token], normalizer: Normalizer?) {
    for token in tokens {
      self.tokens[token.id] = token
      guard !token.content.isEmpty else { continue }
      if token.isNormalized, let normalizer {
        var content = token.content
        normalizer.apply(to: &content)
        if !content.isEmpty { normalized.insert(content, value: token.id) }
      } else if token.isNormalized {
        normalized.insert(token.content, value: token.id)
      } else {
        plain.insert(token.content, value: token.id)
      }
    }
  }

  /// The parts of a text as it was given.
  func partsOfPlainText(_ text: [UInt8]) -> [Part] { parts(of: text, plain) }

  /// The parts of a text after normalization.
  func partsOfNormalizedText(_ text: [UInt8]) -> [Part] { parts(of: text, normalized) }

  private func parts(of text: [UInt8], _ trie: Trie) -> [Part] {
    if text.isEmpty { return [] }
    if trie.isEmpty { return [.text(0..<text.count)] }
    var parts: [Part] = []
    var copied = 0
    text.withUnsafeBufferPointer { buffer in
      var position = 0
      while position < buffer.count {
        guard let (id, end) = trie.longestMatch(buffer, at: position), let token = tokens[id] else {
          position += 1
          continue
        }
        if token.isWord, !Self.standsAlone(position..<end, in: buffer) {
          position = end
          continue
        }
        var (start, stop) = (position, end)
        if token.takesLeft { start = max(copied, Self.spaceStart(before: start, in: buffer)) }
        if token.takesRight { stop = Self.spaceEnd(after: stop, in: buffer) }
        if copied < start { parts.append(.text(copied..<start)) }
        parts.append(.token(id))
        copied = stop
        position = max(end, stop)
      }
    }
    if copied < text.count { parts.append(.text(copied..<text.count)) }
    return parts
  }

  private static func standsAlone(_ range: Range<Int>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
    if range.lowerBound > 0 {
      var before = UTF8Text.start(before: range.lowerBound, in: text)
      if ScalarProperties.isWord(UTF8Text.decode(text, &before)) { return false }
    }
    var after = range.upperBound
    return after == text.count || !ScalarProperties.isWord(UTF8Text.decode(text, &after))
  }

  private static func spaceStart(before position: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
    var start = position
    while start > 0 {
      let previous = UTF8Text.start(before: start, in: text)
      var after = previous
      guard ScalarProperties.isWhiteSpace(UTF8Text.decode(text, &after)) else { break }
      start = previous
    }
    return start
  }

  private static func spaceEnd(after position: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
    var end = position
    while end < text.count {
      var after = end
      guard ScalarProperties.isWhiteSpace(UTF8Text.decode(text, &after)) else { break }
      end = after
    }
    return end
  }
}
