/// A regular expression over UTF-8 text, matched by backtracking with a bounded amount of work.
struct Pattern: Sendable {
  private let nodes: [PatternNode]
  private let bits: [UInt64]
  private let sets: [ScalarSet]
  private let start: Int

  /// Steps that one search may take: a few thousand for any sensible pattern.
  private static let fuel = 200_000

  /// How deep a match may nest before it counts as none.
  private static let maximumDepth = 4000

  /// Throws if the pattern is not one that is understood.
  init(_ pattern: String) throws(TokenizerError) {
    let parser = try PatternParser(pattern)
    nodes = parser.nodes
    bits = parser.bitmaps.bits
    sets = parser.bitmaps.sets
    start = parser.start
  }

  /// A pattern that matches exactly a text.
  static func literal(_ text: String) throws(TokenizerError) -> Pattern {
    var escaped = ""
    for scalar in text.unicodeScalars {
      if !scalar.properties.isAlphabetic, scalar.properties.numericType == nil, scalar.isASCII {
        escaped += "\\"
      }
      escaped.unicodeScalars.append(scalar)
    }
    return try Pattern(escaped)
  }

  /// Calls `body` with each match in a part of a text, from left to right; empty ones are passed over.
  func forEachMatch(
    in text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void
  ) {
    nodes.withUnsafeBufferPointer { nodes in
      bits.withUnsafeBufferPointer { bits in
        var matcher = Matcher(
          nodes: nodes, bits: bits, sets: sets, text: text, lower: range.lowerBound, upper: range.upperBound)
        var position = range.lowerBound
        while position < range.upperBound {
          matcher.fuel = Self.fuel
          matcher.depth = 0
          let end = matcher.match(start, position)
          if end > position {
            body(position..<end)
            position = end
          } else {
            position += UTF8Text.length(lead: text[position])
          }
        }
      }
    }
  }

  private struct Matcher {
    let nodes: UnsafeBufferPointer<PatternNode>
    let bits: UnsafeBufferPointer<UInt64>
    let sets: [ScalarSet]
    let text: UnsafeBufferPointer<UInt8>
    let lower: Int
    let upper: Int
    var fuel = 0
    var depth = 0

    @inline(__always)
    private func contains(_ set: Int, _ scalar: UInt32) -> Bool {
      if scalar < 0x10000 {
        return bits[set &* ScalarBitmaps.words &+ Int(scalar &>> 6)] &>> UInt64(scalar & 63) & 1 != 0
      }
      return sets[set].contains(scalar)
    }

    /// The end of a match from a node on, or −1.
    mutating func match(_ first: Int, _ from: Int) -> Int {
      depth += 1
      defer { depth -= 1 }
      guard depth < Pattern.maximumDepth else { return -1 }
      var index = first
      var position = from
      while true {
        fuel -= 1
        if fuel < 0 { return -1 }
        let next = nodes[index].next
        switch nodes[index].kind {
        case .accept: return position
        case .set(let set):
          guard position < upper else { return -1 }
          let scalar = UTF8Text.decode(text, &position)
          guard contains(set, scalar) else { return -1 }
        case .run(let set, let min, let max, let greed):
          let end = run(set, min, max, greed, next, position)
          if greed == .possessive {
            guard end >= 0 else { return -1 }
            position = end
          } else {
            return end
          }
        case .branch(let branches):
          for branch in branches.dropLast() {
            let end = match(branch, position)
            if end >= 0 { return end }
          }
          guard let last = branches.last else { return -1 }
          index = last
          continue
        case .look(let inner, let isNegative):
          if (match(inner, position) >= 0) == isNegative { return -1 }
        case .atomic(let inner):
          position = match(inner, position)
          if position < 0 { return -1 }
        case .start: if position != lower { return -1 }
        case .end: if position != upper { return -1 }
        }
        index = next
      }
    }

    /// A run of scalars of a set: for a possessive one the end of the run, else the end of the whole match.
    private mutating func run(
      _ set: Int, _ min: Int, _ max: Int, _ greed: PatternNode.Greed, _ next: Int, _ from: Int
    ) -> Int {
      var position = from
      var count = 0
      let wanted = greed == .lazy ? min : max
      while count < wanted, position < upper {
        var after = position
        guard contains(set, UTF8Text.decode(text, &after)) else { break }
        position = after
        count += 1
      }
      guard count >= min else { return -1 }
      switch greed {
      case .possessive: return position
      case .greedy:
        while true {
          let end = nodes[next].isAccept ? position : match(next, position)
          if end >= 0 || count == min { return end }
          position = UTF8Text.start(before: position, in: text)
          count -= 1
          fuel -= 1
          if fuel < 0 { return -1 }
        }
      case .lazy:
        while true {
          let end = match(next, position)
          if end >= 0 || count == max || position >= upper { return end }
          guard contains(set, UTF8Text.decode(text, &position)) else { return -1 }
          count += 1
        }
      }
    }
  }
}

extension PatternNode {
  @inline(__always)
  fileprivate var isAccept: Bool {
    if case .accept = kind { true } else { false }
  }
}
