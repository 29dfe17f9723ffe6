/// WordPiece: the longest token that begins a word, then the longest continuations, or else unknown.
///
/// Wu et al., "Google's Neural Machine Translation System", 2016, https://arxiv.org/abs/1609.08144; the greedy
/// search is that of BERT's reference tokenizer.
struct WordPiece: Sendable {
  let vocabulary: Vocabulary
  let unknown: Int32
  /// The bytes that mark a token as a continuation: `##` in BERT's vocabularies.
  let continuation: [UInt8]
  /// Words of more characters are unknown as a whole.
  let maximumCharacters: Int

  func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], workspace: inout Workspace) {
    let whole = vocabulary.id(of: word)
    if whole >= 0, word.count <= maximumCharacters {
      ids.append(whole)
      return
    }
    let first = ids.count
    var characters = 0
    for byte in word where byte & 0xC0 != 0x80 { characters += 1 }
    var start = 0
    while start < word.count, characters <= maximumCharacters {
      let (id, end) = longest(word, from: start, &workspace.scratch)
      if id < 0 { break }
      ids.append(id)
      start = end
    }
    if start < word.count {
      ids.removeLast(ids.count - first)
      if unknown >= 0 { ids.append(unknown) }
    }
  }

  private func longest(
    _ word: UnsafeBufferPointer<UInt8>, from start: Int, _ scratch: inout [UInt8]
  ) -> (id: Int32, end: Int) {
    let prefix = start > 0 ? continuation.count : 0
    var end = min(word.count, start + max(vocabulary.longestToken - prefix, 0))
    while end < word.count, end > start, word[end] & 0xC0 == 0x80 { end -= 1 }
    scratch.removeAll(keepingCapacity: true)
    if start > 0 { scratch.append(contentsOf: continuation) }
    scratch.append(start..<end, of: word)
    return scratch.withUnsafeBufferPointer { bytes in
      while end > start {
        let id = vocabulary.id(of: UnsafeBufferPointer(rebasing: bytes[..<(prefix + end - start)]))
        if id >= 0 { return (id, end) }
        end = UTF8Text.start(before: end, in: word)
      }
      return (Vocabulary.absent, start)
    }
  }
}
