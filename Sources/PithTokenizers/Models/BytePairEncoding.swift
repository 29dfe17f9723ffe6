/// Byte-pair encoding (Sennrich et al., arXiv 1508.07909): of all neighbours in a piece the pair that was learned first
/// merges, the leftmost of equals, until none does.
struct BytePairEncoding: Sendable {
  /// What a model says beside its tokens and merges.
  struct Options: Sendable {
    var unknown: Int32?
    var fusesUnknown = false
    /// The tokens of the 256 bytes, for scalars that are no token.
    var byteTokens: [Int32]?
    var continuingPrefix: [UInt8] = []
    var endOfWordSuffix: [UInt8] = []
    /// Whether a piece that is a token is taken as it is.
    var ignoresMerges = false
    /// Whether the vocabulary holds bytes, so that every byte of a piece is a symbol of its own.
    var isByteLevel = false
  }

  let vocabulary: Vocabulary
  private let merges: PairTable
  private let options: Options
  /// The token of each single byte, in a vocabulary of bytes.
  private let singles: [Int32]

  init(_ vocabulary: Vocabulary, merges: PairTable, _ options: Options) {
    self.vocabulary = vocabulary
    self.merges = merges
    self.options = options
    singles = (0...255).map { vocabulary.id(of: [UInt8($0)]) }
  }

  /// Pieces that are remembered while one text is encoded.
  private static let memorySize = 4096

  /// The length of a text, in bytes, from which remembering pays.
  private static let memorableText = 4096

  /// Appends the ids of pieces of a text.
  func encode(_ text: UnsafeBufferPointer<UInt8>, _ ranges: [Range<Int>], into ids: inout [Int32]) {
    guard text.count >= Self.memorableText else {
      for range in ranges { encode(text.part(range), into: &ids) }
      return
    }
    // The places of pieces met before, and of their ids: words come again and again.
    var memory = [(piece: Range<Int>, ids: Range<Int>)](repeating: (0..<0, 0..<0), count: Self.memorySize)
    let seed = ByteHash.processSeed
    for range in ranges {
      let piece = text.part(range)
      let slot = Int(truncatingIfNeeded: ByteHash.hash(piece, seed: seed)) & (Self.memorySize - 1)
      let known = memory[slot]
      if known.piece.count == range.count, !range.isEmpty, text.part(known.piece).elementsEqual(piece) {
        for index in known.ids { ids.append(ids[index]) }
      } else {
        let start = ids.count
        encode(piece, into: &ids)
        memory[slot] = (range, start..<ids.count)
      }
    }
  }

  private func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    if options.ignoresMerges {
      let id = vocabulary.id(of: piece)
      if id >= 0 {
        ids.append(id)
        return
      }
    }
    let start = ids.count
    appendSymbols(of: piece, to: &ids)
    if ids.count - start <= 48 { mergeShort(&ids, from: start) } else { mergeLong(&ids, from: start) }
  }

  // MARK: - Symbols

  private func appendSymbols(of piece: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) {
    if options.isByteLevel {
      for byte in piece {
        let id = singles[Int(byte)]
        if id >= 0 { ids.append(id) } else if let unknown = options.unknown { ids.append(unknown) }
      }
      return
    }
    var isUnknown = false
    var position = 0
    while position < piece.count {
      let end = min(piece.count, position + UTF8Text.length(lead: piece[position]))
      let scalar = piece.part(position..<end)
      let id = symbol(scalar, isFirst: position == 0, isLast: end == piece.count)
      if id >= 0 {
        ids.append(id)
        isUnknown = false
      } else if let byteTokens = options.byteTokens {
        for byte in scalar { ids.append(byteTokens[Int(byte)]) }
        isUnknown = false
      } else if let unknown = options.unknown {
        if !(isUnknown && options.fusesUnknown) { ids.append(unknown) }
        isUnknown = true
      }
      position = end
    }
  }

  private func symbol(_ scalar: UnsafeBufferPointer<UInt8>, isFirst: Bool, isLast: Bool) -> Int32 {
    let prefix = isFirst ? [] : options.continuingPrefix
    let suffix = isLast ? options.endOfWordSuffix : []
    return prefix.isEmpty && suffix.isEmpty
      ? vocabulary.id(of: scalar) : vocabulary.id(of: prefix + Array(scalar) + suffix)
  }

  // MARK: - Merging

  /// Looks through all pairs for each merge: fastest for the few symbols of a word.
  private func mergeShort(_ ids: inout [Int32], from start: Int) {
    var count = ids.count - start
    guard count > 1 else { return }
    ids.withUnsafeMutableBufferPointer { buffer in
      let symbols = UnsafeMutableBufferPointer(rebasing: buffer[start...])
      withUnsafeTemporaryAllocation(of: UInt64.self, capacity: count) { pairs in
        for index in 0..<(count - 1) { pairs[index] = merges.merge(symbols[index], symbols[index + 1]) }
        while count > 1 {
          var best = UInt64.max
          var place = 0
          for index in 0..<(count - 1) where pairs[index] >> 32 < best >> 32 {
            best = pairs[index]
            place = index
          }
          if best == .max { break }
          symbols[place] = Int32(truncatingIfNeeded: best)
          count -= 1
          for index in (place + 1)..<max(place + 1, count) {
            symbols[index] = symbols[index + 1]
            pairs[index - 1] = pairs[index]
          }
          if place > 0 { pairs[place - 1] = merges.merge(symbols[place - 1], symbols[place]) }
          if place + 1 < count { pairs[place] = merges.merge(symbols[place], symbols[place + 1]) }
        }
      }
    }
    ids.removeSubrange((start + count)...)
  }

  /// Keeps the pairs in a heap and the symbols in a list: for pieces of any length in n log n.
  private func mergeLong(_ ids: inout [Int32], from start: Int) {
    var symbols = Array(ids[start...])
    var next = Array(1...symbols.count)
    var previous = Array(-1..<(symbols.count - 1))
    var heap = MergeHeap()
    func offer(_ place: Int) {
      guard place >= 0, next[place] < symbols.count else { return }
      let merge = merges.merge(symbols[place], symbols[next[place]])
      if merge != .max { heap.push(rank: UInt32(merge >> 32), place: UInt32(place)) }
    }
    for place in symbols.indices { offer(place) }
    while let (rank, place) = heap.pop() {
      guard symbols[place] >= 0, next[place] < symbols.count else { continue }
      let right = next[place]
      let merge = merges.merge(symbols[place], symbols[right])
      guard merge != .max, merge >> 32 == UInt64(rank) else { continue }
      symbols[place] = Int32(truncatingIfNeeded: merge)
      symbols[right] = -1
      next[place] = next[right]
      if next[right] < symbols.count { previous[next[right]] = place }
      offer(previous[place])
      offer(place)
    }
    ids.removeSubrange(start...)
    ids += symbols.filter { $0 >= 0 }
  }
}

/// Pairs by rank, then by place.
private struct MergeHeap {
  private var items: [UInt64] = []

  mutating func push(rank: UInt32, place: UInt32) {
    items.append(UInt64(rank) << 32 | UInt64(place))
    var child = items.count - 1
    while child > 0, items[child] < items[(child - 1) / 2] {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> (rank: UInt32, place: Int)? {
    guard let first = items.first else { return nil }
    let last = items.removeLast()
    if !items.isEmpty {
      items[0] = last
      var parent = 0
      while 2 * parent + 1 < items.count {
        var child = 2 * parent + 1
        if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
        if items[parent] <= items[child] { break }
        items.swapAt(parent, child)
        parent = child
      }
    }
    return (UInt32(truncatingIfNeeded: first >> 32), Int(first & 0xFFFF_FFFF))
  }
}
