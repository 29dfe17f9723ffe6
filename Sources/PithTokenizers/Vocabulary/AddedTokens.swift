/// A token that is found in the text before the model sees it.
struct AddedToken: Sendable {
  var id: Int32
  var content: [UInt8]
  var isSpecial = false
  var stripsLeft = false
  var stripsRight = false
  var isSingleWord = false
  /// Whether it is looked for in the normalized text.
  var isNormalized = false
}

/// The added tokens of a tokenizer and the searches for them.
struct AddedTokens: Sendable {
  private(set) var byID: [Int32: AddedToken] = [:]
  private(set) var specialIDs: Set<Int32> = []
  /// The tokens looked for in the text as it comes.
  private(set) var rawTrie = Trie()
  /// The tokens looked for after normalization.
  private(set) var normalizedTrie = Trie()
  private var ids: Trie

  /// Prepares the searches; the contents of normalized tokens go through the normalizer as text does.
  init(_ tokens: [AddedToken], normalizer: Normalizer?) {
    ids = Trie()
    for token in tokens where !token.content.isEmpty {
      byID[token.id] = token
      if token.isSpecial { specialIDs.insert(token.id) }
      ids.insert(token.content, value: token.id)
      if token.isNormalized {
        let content = normalizer?.apply(to: token.content) ?? token.content
        if !content.isEmpty { normalizedTrie.insert(content, value: token.id) }
      } else {
        rawTrie.insert(token.content, value: token.id)
      }
    }
  }

  /// Counts as special every id of the vocabulary whose token reads like a special one, were it there twice.
  mutating func markSpecial(in vocabulary: Vocabulary) {
    for id in 0..<vocabulary.idBound {
      guard let token = vocabulary.token(id), let first = token.first, ids.firstBytes[Int(first)] else {
        continue
      }
      if let added = self.id(of: Array(token)), specialIDs.contains(added) { specialIDs.insert(Int32(id)) }
    }
  }

  /// The id of the added token with this content.
  func id(of content: [UInt8]) -> Int32? {
    guard !content.isEmpty else { return nil }
    return content.withUnsafeBufferPointer { content in
      ids.longestMatch(content, at: 0).flatMap { $0.end == content.count ? $0.value : nil }
    }
  }

  /// A part of a text: a stretch to be encoded, or an added token.
  enum Segment {
    case text(Range<Int>)
    case token(Int32)
  }

  /// Finds the tokens of a trie in the text: the leftmost first, and of those at one place the longest.
  func segments(of text: [UInt8], _ trie: Trie) -> [Segment] {
    guard !trie.isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
    var segments: [Segment] = []
    var done = 0
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count {
        guard trie.firstBytes[Int(text[position])], let match = trie.longestMatch(text, at: position),
          let token = byID[match.value]
        else {
          position += 1
          continue
        }
        var (start, end) = (position, match.end)
        position = match.end
        if token.isSingleWord, Self.isWord(before: start, text) || Self.isWord(at: end, text) { continue }
        if token.stripsLeft { start = max(Self.spaceStart(before: start, text), done) }
        if token.stripsRight { end = Self.spaceEnd(from: end, text) }
        if start > done { segments.append(.text(done..<start)) }
        segments.append(.token(token.id))
        done = end
      }
      if done < text.count { segments.append(.text(done..<text.count)) }
    }
    return segments
  }

  private static func isWord(at position: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard position < text.count else { return false }
    var position = position
    return ScalarProperties.isWord(UTF8Text.decode(text, &position))
  }

  private static func isWord(before position: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    position > 0 && isWord(at: UTF8Text.start(before: position, in: text), text)
  }

  private static func spaceStart(before position: Int, _ text: UnsafeBufferPointer<UInt8>) -> Int {
    var start = position
    while start > 0 {
      let previous = UTF8Text.start(before: start, in: text)
      var end = previous
      guard ScalarProperties.isWhiteSpace(UTF8Text.decode(text, &end)) else { break }
      start = previous
    }
    return start
  }

  private static func spaceEnd(from position: Int, _ text: UnsafeBufferPointer<UInt8>) -> Int {
    var end = position
    while end < text.count {
      var next = end
      guard ScalarProperties.isWhiteSpace(UTF8Text.decode(text, &next)) else { break }
      end = next
    }
    return end
  }
}
