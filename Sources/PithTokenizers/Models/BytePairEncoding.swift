/// Byte-pair encoding: begin with characters (or bytes) and join the best-ranked neighbours.
///
/// Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016,
/// https://arxiv.org/abs/1508.07909.
struct BytePairEncoding: Sendable {
  /// What decides which neighbours are joined.
  enum Ranking: Sendable {
    /// A list of merges.
    case merges(MergeTable)
    /// Every pair whose union is a token may join, by the rank of that token (SentencePiece).
    case scores([UInt32])
  }

  var vocabulary: Vocabulary
  var ranking: Ranking
  /// Whether pieces are raw bytes, each beginning as the token of its letter in GPT-2's alphabet.
  var isByteLevel = false
  /// Whether a piece that is a token as a whole is that token, whatever the merges say.
  var ignoresMerges = false
  var unknown: Int32 = Vocabulary.absent
  var fusesUnknown = false
  var byteTokens: ByteTokens?
  var continuationPrefix: [UInt8] = []
  var wordSuffix: [UInt8] = []
  /// Where pieces may be cut; set by `findSeams` when cutting cannot change the result.
  private var seams: Seams?
  /// The token of each byte's letter, or `Vocabulary.absent`.
  private let letters: [Int32]

  init(vocabulary: Vocabulary, ranking: Ranking) {
    self.vocabulary = vocabulary
    self.ranking = ranking
    letters = ByteAlphabet.scalars.map { scalar in
      var bytes: [UInt8] = []
      UTF8Text.append(scalar, to: &bytes)
      return vocabulary.id(of: bytes)
    }
  }

  /// Looks for seams in the vocabulary, once all other properties are set.
  ///
  /// Pieces must consist of characters alone: what depends on a character's place in the piece, or joins
  /// unknown neighbours, would notice the cuts.
  mutating func findSeams() {
    guard !isByteLevel, !ignoresMerges, wordSuffix.isEmpty, continuationPrefix.isEmpty,
      let byteTokens, byteTokens.isComplete
    else { return }
    // Merged byte tokens would join characters without their standing side by side in a token.
    if case .merges(let merges) = ranking, merges.joinsAny(of: Set(byteTokens.ids)) { return }
    seams = Seams(vocabulary)
  }

  func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], workspace: inout Workspace) {
    if let seams {
      seams.forEachStretch(of: piece) { encodeStretch($0, &ids, &workspace) }
    } else {
      encodeStretch(piece, &ids, &workspace)
    }
  }

  private func encodeStretch(
    _ piece: UnsafeBufferPointer<UInt8>, _ ids: inout [Int32], _ workspace: inout Workspace
  ) {
    if ignoresMerges {
      let whole = wholeToken(piece, &workspace.scratch)
      if whole >= 0 {
        ids.append(whole)
        return
      }
    }
    workspace.merging.symbols.removeAll(keepingCapacity: true)
    if case .scores = ranking {
      appendCharacters(piece, to: &workspace.merging.symbols)
    } else if isByteLevel, unknown < 0, wordSuffix.isEmpty, continuationPrefix.isEmpty {
      appendBytes(piece, to: &workspace.merging.symbols)
    } else {
      appendKnownCharacters(piece, to: &workspace)
    }
    switch ranking {
    case .merges(let merges): workspace.merging.merge(merges)
    case .scores(let ranks):
      workspace.merging.merge(ScoreRanking(piece: piece, vocabulary: vocabulary, ranks: ranks))
    }
    for symbol in workspace.merging.symbols {
      if symbol.id >= 0 {
        ids.append(symbol.id)
      } else {
        appendFallback(piece[Int(symbol.start)..<Int(symbol.end)], to: &ids)
      }
    }
  }

  private func wholeToken(_ piece: UnsafeBufferPointer<UInt8>, _ scratch: inout [UInt8]) -> Int32 {
    guard isByteLevel else { return vocabulary.id(of: piece) }
    scratch.removeAll(keepingCapacity: true)
    guard piece.count <= vocabulary.longestToken else { return Vocabulary.absent }
    ByteAlphabet.append(lettersOf: piece, to: &scratch)
    return vocabulary.id(of: scratch)
  }

  private func appendBytes(_ piece: UnsafeBufferPointer<UInt8>, to symbols: inout [MergeSymbol]) {
    letters.withUnsafeBufferPointer { letters in
      for index in 0..<piece.count {
        let id = letters[Int(piece[index])]
        if id >= 0 { symbols.append(MergeSymbol(id: id, start: Int32(index), end: Int32(index + 1))) }
      }
    }
  }

  private func appendCharacters(_ piece: UnsafeBufferPointer<UInt8>, to symbols: inout [MergeSymbol]) {
    var start = 0
    while start < piece.count {
      let end = min(start + UTF8Text.length(lead: piece[start]), piece.count)
      let id = vocabulary.id(of: UnsafeBufferPointer(rebasing: piece[start..<end]))
      symbols.append(MergeSymbol(id: id, start: Int32(start), end: Int32(end)))
      start = end
    }
  }

  /// Begins with the characters' tokens, marked as first, continuing or last, with fallbacks for the unknown.
  private func appendKnownCharacters(_ piece: UnsafeBufferPointer<UInt8>, to workspace: inout Workspace) {
    var pendingUnknown = false
    var start = 0
    while start < piece.count {
      let end = isByteLevel ? start + 1 : min(start + UTF8Text.length(lead: piece[start]), piece.count)
      let span = (start: Int32(start), end: Int32(end))
      workspace.scratch.removeAll(keepingCapacity: true)
      if start > 0 { workspace.scratch.append(contentsOf: continuationPrefix) }
      if isByteLevel {
        ByteAlphabet.append(lettersOf: piece[start..<end], to: &workspace.scratch)
      } else {
        workspace.scratch.append(start..<end, of: piece)
      }
      if end == piece.count { workspace.scratch.append(contentsOf: wordSuffix) }
      start = end
      let id = vocabulary.id(of: workspace.scratch)
      if id >= 0 {
        if pendingUnknown { append(unknown, span, to: &workspace.merging.symbols) }
        pendingUnknown = false
        append(id, span, to: &workspace.merging.symbols)
        continue
      }
      if let byteTokens {
        var ids: [Int32] = []
        if byteTokens.append(workspace.scratch, to: &ids) {
          for id in ids { append(id, span, to: &workspace.merging.symbols) }
          continue
        }
      }
      guard unknown >= 0 else { continue }
      // An unknown character waits for the next known one, so that neighbours can share one token.
      if pendingUnknown, !fusesUnknown { append(unknown, span, to: &workspace.merging.symbols) }
      pendingUnknown = true
    }
    if pendingUnknown { append(unknown, (0, 0), to: &workspace.merging.symbols) }
  }

  private func append(_ id: Int32, _ span: (start: Int32, end: Int32), to symbols: inout [MergeSymbol]) {
    symbols.append(MergeSymbol(id: id, start: span.start, end: span.end))
  }

  private func appendFallback(_ text: Slice<UnsafeBufferPointer<UInt8>>, to ids: inout [Int32]) {
    if byteTokens?.append(text, to: &ids) != true, unknown >= 0 { ids.append(unknown) }
  }
}

/// Joins two symbols when the text they cover together is a token.
private struct ScoreRanking: PairRanking {
  let piece: UnsafeBufferPointer<UInt8>
  let vocabulary: Vocabulary
  let ranks: [UInt32]

  @inline(__always)
  func join(_ left: MergeSymbol, _ right: MergeSymbol) -> UInt64 {
    let id = vocabulary.id(of: UnsafeBufferPointer(rebasing: piece[Int(left.start)..<Int(right.end)]))
    guard id >= 0, ranks[Int(id)] != .max else { return noMerge }
    return UInt64(ranks[Int(id)]) << 32 | UInt64(UInt32(bitPattern: id))
  }
}
