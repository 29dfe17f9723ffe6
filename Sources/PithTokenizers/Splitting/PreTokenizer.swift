/// A text and the ranges of it that stand for themselves.
struct Pieces {
  var text: [UInt8]
  var ranges: [Range<Int>]
  /// Whether the text is the beginning of the whole input.
  let isBeginning: Bool

  init(_ text: [UInt8], isBeginning: Bool) {
    self.text = text
    ranges = text.isEmpty ? [] : [0..<text.count]
    self.isBeginning = isBeginning
  }

  /// Cuts each range where `pattern` matches.
  mutating func split(_ pattern: Pattern, _ behavior: SplitBehavior, isInverted: Bool = false) {
    var parts = SplitParts(behavior)
    text.withUnsafeBufferPointer { text in
      for range in ranges {
        var last = range.lowerBound
        pattern.forEachMatch(in: text, range) { match in
          parts.append(last..<match.lowerBound, isMatch: isInverted)
          parts.append(match, isMatch: !isInverted)
          last = match.upperBound
        }
        parts.append(last..<range.upperBound, isMatch: isInverted)
        parts.endText()
      }
    }
    ranges = parts.result
  }

  /// Cuts each range where scalars are of a kind.
  mutating func split(_ behavior: SplitBehavior, where isMatch: (UInt32) -> Bool) {
    var parts = SplitParts(behavior)
    text.withUnsafeBufferPointer { text in
      for range in ranges {
        var (position, last) = (range.lowerBound, range.lowerBound)
        while position < range.upperBound {
          let start = position
          guard isMatch(UTF8Text.decode(text, &position)) else { continue }
          parts.append(last..<start, isMatch: false)
          parts.append(start..<position, isMatch: true)
          last = position
        }
        parts.append(last..<range.upperBound, isMatch: false)
        parts.endText()
      }
    }
    ranges = parts.result
  }

  /// Rewrites each range.
  mutating func map(_ change: (_ piece: ArraySlice<UInt8>, _ isFirst: Bool, inout [UInt8]) -> Void) {
    var output: [UInt8] = []
    output.reserveCapacity(text.count + 16)
    var result: [Range<Int>] = []
    for range in ranges {
      let start = output.count
      change(text[range], isBeginning && range.lowerBound == 0, &output)
      if output.count > start { result.append(start..<output.count) }
    }
    text = output
    ranges = result
  }
}

/// A step that cuts a text into pieces.
indirect enum PreTokenizer: Sendable {
  case sequence([PreTokenizer])
  /// Cuts as GPT-2 does, where there is a pattern; that bytes become letters is left to the vocabulary.
  case byteLevel(addsPrefixSpace: Bool, Pattern?)
  case split(Pattern, SplitBehavior, isInverted: Bool)
  case digits(individually: Bool)
  case punctuation(SplitBehavior)
  case whitespaceSplit
  case bert
  case metaspace(Metaspace)

  func apply(to pieces: inout Pieces) {
    switch self {
    case .sequence(let steps): for step in steps { step.apply(to: &pieces) }
    case .byteLevel(let addsPrefixSpace, let pattern):
      if addsPrefixSpace {
        pieces.map { piece, _, output in
          if piece.first != UInt8(ascii: " ") { output.append(UInt8(ascii: " ")) }
          output += piece
        }
      }
      if let pattern { pieces.split(pattern, .isolated) }
    case .split(let pattern, let behavior, let isInverted):
      pieces.split(pattern, behavior, isInverted: isInverted)
    case .digits(let individually):
      pieces.split(individually ? .isolated : .contiguous) { CategoryCode.of($0).isNumber }
    case .punctuation(let behavior): pieces.split(behavior, where: ScalarProperties.isPunctuation)
    case .whitespaceSplit: pieces.split(.removed, where: ScalarProperties.isWhiteSpace)
    case .bert:
      pieces.split(.removed, where: ScalarProperties.isWhiteSpace)
      pieces.split(.isolated, where: ScalarProperties.isPunctuation)
    case .metaspace(let metaspace): metaspace.apply(to: &pieces)
    }
  }

  /// Whether the pieces' bytes are looked up as GPT-2's letters.
  var isByteLevel: Bool {
    switch self {
    case .byteLevel: true
    case .sequence(let steps): steps.contains(where: \.isByteLevel)
    default: false
    }
  }
}

/// Sentencepiece's visible spaces: each space becomes a mark, and words begin with theirs.
struct Metaspace: Sendable {
  /// When a mark is put before a text that has none.
  enum Prepending: Sendable { case always, never, first }

  let replacement: [UInt8]
  let prepending: Prepending
  let splits: Bool

  func apply(to pieces: inout Pieces) {
    pieces.map { piece, isFirst, output in
      let start = output.count
      for byte in piece { byte == UInt8(ascii: " ") ? output += replacement : output.append(byte) }
      let prepends = prepending == .always || prepending == .first && isFirst
      if prepends, !output[start...].starts(with: replacement) {
        output.insert(contentsOf: replacement, at: start)
      }
    }
    guard splits, let mark = String(decoding: replacement, as: UTF8.self).unicodeScalars.first else { return }
    pieces.split(.mergedWithNext) { $0 == mark.value }
  }
}
