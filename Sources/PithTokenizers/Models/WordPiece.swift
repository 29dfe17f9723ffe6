/// WordPiece (Schuster and Nakajima 2012, as in BERT): from left to right the longest token that fits; a word that
/// does not come out even is unknown as a whole.
struct WordPiece: Sendable {
  let vocabulary: Vocabulary
  private let unknown: Int32
  private let longestWord: Int
  /// Tokens that begin a word, and those that continue one, without their prefix.
  private var beginnings = Trie()
  private var continuations = Trie()

  /// - Parameter longestWord: scalars of the longest word that is not unknown for its length alone.
  init(_ vocabulary: Vocabulary, unknown: Int32, continuingPrefix: [UInt8], longestWord: Int) {
    self.vocabulary = vocabulary
    self.unknown = unknown
    self.longestWord = longestWord
    for id in 0..<vocabulary.idBound {
      // Of two ids with the same bytes the vocabulary answers with one.
      guard let token = vocabulary.token(id), vocabulary.id(of: Array(token)) == id else { continue }
      beginnings.insert(token, value: Int32(id))
      if token.starts(with: continuingPrefix),
        token.count > continuingPrefix.count || continuingPrefix.isEmpty
      {
        continuations.insert(token.dropFirst(continuingPrefix.count), value: Int32(id))
      }
    }
  }

  func encode(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into ids: inout [Int32]) {
    let word = text.part(range)
    let known = ids.count
    var scalars = 0
    for byte in word where byte & 0xC0 != 0x80 { scalars += 1 }
    var position = 0
    while scalars <= longestWord, position < word.count {
      let trie = position == 0 ? beginnings : continuations
      guard let (id, end) = trie.longestMatch(word, at: position) else { break }
      ids.append(id)
      position = end
    }
    if position < word.count {
      ids.removeSubrange(known...)
      ids.append(unknown)
    }
  }
}
