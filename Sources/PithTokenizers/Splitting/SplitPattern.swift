/// Where to cut a text.
enum SplitPattern: Sendable {
  /// At the matches of a regular expression.
  case expression(Pattern)
  /// At the occurrences of a string.
  case literal([UInt8])
  /// At each scalar with a property.
  case scalars(ScalarClass)
  /// At each run of scalars with a property.
  case runs(ScalarClass)

  /// A property of scalars.
  enum ScalarClass: Sendable {
    case whiteSpace
    case punctuation
    case number
    case scalar(UInt32)

    @inline(__always)
    func contains(_ scalar: UInt32) -> Bool {
      switch self {
      case .whiteSpace: ScalarProperties.isWhiteSpace(scalar)
      case .punctuation: ScalarProperties.isPunctuation(scalar)
      case .number:
        scalar < 0x80 ? scalar &- 0x30 < 10 : CategoryCode.of(scalar).isNumber
      case .scalar(let wanted): scalar == wanted
      }
    }
  }

  /// Calls `body` with each match, from left to right.
  func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    switch self {
    case .expression(let pattern): pattern.forEachMatch(in: text, body)
    case .literal(let literal): Self.forEachOccurrence(of: literal, in: text, body)
    case .scalars(let scalars):
      var position = 0
      while position < text.count {
        let start = position
        if scalars.contains(UTF8Text.decode(text, &position)) { body(start..<position) }
      }
    case .runs(let scalars):
      var position = 0
      var runStart = -1
      while position < text.count {
        let start = position
        if scalars.contains(UTF8Text.decode(text, &position)) {
          if runStart < 0 { runStart = start }
        } else if runStart >= 0 {
          body(runStart..<start)
          runStart = -1
        }
      }
      if runStart >= 0 { body(runStart..<position) }
    }
  }

  private static func forEachOccurrence(
    of literal: [UInt8], in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void
  ) {
    guard let first = literal.first, text.count >= literal.count else { return }
    var position = 0
    let last = text.count - literal.count
    while position <= last {
      if text[position] == first, text[position..<position + literal.count].elementsEqual(literal) {
        body(position..<position + literal.count)
        position += literal.count
      } else {
        position += 1
      }
    }
  }
}
