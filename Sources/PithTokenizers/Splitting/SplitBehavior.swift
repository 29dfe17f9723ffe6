/// What becomes of the parts of a text that a pattern matches.
enum SplitBehavior: String, Sendable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

/// Collects the parts of texts, matches and what lies between, as a behavior wants them.
struct SplitParts {
  private let behavior: SplitBehavior
  private(set) var result: [Range<Int>] = []
  private var first = 0
  private var lastIsMatch = false
  /// A match that waits for the part it merges with.
  private var waiting: Range<Int>?

  init(_ behavior: SplitBehavior) { self.behavior = behavior }

  /// Ends one text, whose last part nothing can merge with any more.
  mutating func endText() {
    if let waiting { result.append(waiting) }
    waiting = nil
    first = result.count
    lastIsMatch = false
  }

  mutating func append(_ part: Range<Int>, isMatch: Bool) {
    guard !part.isEmpty else { return }
    switch behavior {
    case .removed: if !isMatch { result.append(part) }
    case .isolated: result.append(part)
    case .contiguous:
      if result.count > first, lastIsMatch == isMatch {
        extend(to: part.upperBound)
      } else {
        result.append(part)
      }
    case .mergedWithPrevious:
      if isMatch, result.count > first, !lastIsMatch {
        extend(to: part.upperBound)
      } else {
        result.append(part)
      }
    case .mergedWithNext:
      if isMatch {
        if let waiting { result.append(waiting) }
        waiting = part
      } else {
        result.append((waiting?.lowerBound ?? part.lowerBound)..<part.upperBound)
        waiting = nil
      }
    }
    lastIsMatch = isMatch
  }

  private mutating func extend(to end: Int) {
    result[result.count - 1] = result[result.count - 1].lowerBound..<end
  }
}
