/// A text cut into pieces: the bytes in one array, and where each piece ends.
///
/// A stage that only cuts replaces the ends; one that changes the text writes both anew.
struct Pieces {
  private(set) var text: [UInt8]
  private(set) var ends: [Int]
  /// Whether the first piece begins where the input of the tokenizer does.
  private(set) var beginsInput: Bool

  /// The whole text as one piece, or none when it is empty.
  init(_ text: [UInt8], beginsInput: Bool) {
    self.text = text
    self.beginsInput = beginsInput
    ends = text.isEmpty ? [] : [text.count]
  }

  /// Calls `body` with each piece.
  @inline(__always)
  func forEach(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    text.withUnsafeBufferPointer { text in
      var start = 0
      for end in ends {
        body(UnsafeBufferPointer(rebasing: text[start..<end]))
        start = end
      }
    }
  }

  /// How the parts between and at the matches of a pattern become pieces.
  enum Behavior: Sendable { case removed, isolated, mergedWithPrevious, mergedWithNext, contiguous }

  /// Cuts every piece at the matches of `pattern`; with `inverts`, at what lies between them.
  mutating func split(_ pattern: SplitPattern, _ behavior: Behavior, inverts: Bool = false) {
    var cutter = Cutter(behavior: behavior)
    cutter.ends.reserveCapacity(text.count / 4)
    var start = 0
    text.withUnsafeBufferPointer { text in
      for end in ends {
        let piece = UnsafeBufferPointer(rebasing: text[start..<end])
        cutter.begin(start)
        var done = start
        pattern.forEachMatch(in: piece) { match in
          let (low, high) = (start + match.lowerBound, start + match.upperBound)
          if low > done { cutter.add(done..<low, isDelimiter: inverts) }
          cutter.add(low..<high, isDelimiter: !inverts)
          done = high
        }
        if done < end { cutter.add(done..<end, isDelimiter: inverts) }
        cutter.finish()
        start = end
      }
    }
    if behavior == .removed {
      remove(cutter)
    } else {
      ends = cutter.ends
    }
  }

  /// Rewrites the text to what `cutter` kept.
  private mutating func remove(_ cutter: Cutter) {
    var kept: [UInt8] = []
    kept.reserveCapacity(text.count)
    var keptEnds: [Int] = []
    keptEnds.reserveCapacity(cutter.ends.count)
    text.withUnsafeBufferPointer { text in
      for (start, end) in zip(cutter.starts, cutter.ends) {
        kept.append(start..<end, of: text)
        keptEnds.append(kept.count)
      }
    }
    if cutter.starts.first != 0 { beginsInput = false }
    (text, ends) = (kept, keptEnds)
  }

  /// Replaces each piece by what `rewrite` appends for it; it is told whether the piece begins the input.
  mutating func rewrite(_ rewrite: (UnsafeBufferPointer<UInt8>, Bool, inout [UInt8]) -> Void) {
    var newText: [UInt8] = []
    newText.reserveCapacity(text.count + text.count / 8)
    var newEnds: [Int] = []
    newEnds.reserveCapacity(ends.count)
    var isFirst = beginsInput
    forEach { piece in
      rewrite(piece, isFirst, &newText)
      isFirst = false
      if newText.count > newEnds.last ?? 0 { newEnds.append(newText.count) }
    }
    (text, ends) = (newText, newEnds)
  }
}

/// Collects the pieces of one split.
private struct Cutter {
  let behavior: Pieces.Behavior
  /// Where pieces start; kept only when some text is removed, since they are adjacent otherwise.
  var starts: [Int] = []
  var ends: [Int] = []
  private var lastWasDelimiter: Bool?
  private var start = 0
  private var end = 0

  init(behavior: Pieces.Behavior) { self.behavior = behavior }

  mutating func begin(_ position: Int) {
    (start, end) = (position, position)
    lastWasDelimiter = nil
  }

  @inline(__always)
  mutating func add(_ range: Range<Int>, isDelimiter: Bool) {
    switch behavior {
    case .isolated: ends.append(range.upperBound)
    case .removed:
      if !isDelimiter {
        starts.append(range.lowerBound)
        ends.append(range.upperBound)
      }
    case .contiguous:
      if lastWasDelimiter != isDelimiter { finish() }
      end = range.upperBound
    case .mergedWithPrevious:
      // A delimiter joins what is before it, unless that is a delimiter as well.
      if !isDelimiter || lastWasDelimiter != false { finish() }
      end = range.upperBound
    case .mergedWithNext:
      if isDelimiter || lastWasDelimiter != true { finish() }
      end = range.upperBound
    }
    lastWasDelimiter = isDelimiter
  }

  mutating func finish() {
    if end > start, behavior != .isolated, behavior != .removed { ends.append(end) }
    start = end
  }
}
