/// The node graph of a pattern under construction: each node names the one that follows it.
struct PatternNode: Sendable {
  enum Kind: Sendable {
    /// The end of the pattern: a match.
    case accept
    /// One scalar of a set.
    case set(Int)
    /// `min` to `max` scalars of a set.
    case run(Int, min: Int, max: Int, Greed)
    /// The first branch that leads to a match.
    case branch([Int])
    /// A condition on what follows, which takes nothing.
    case look(Int, isNegative: Bool)
    /// The start or the end of the text.
    case start
    case end
    /// What stands behind decides nothing: an atomic group matched once, without going back into it.
    case atomic(Int)
  }

  enum Greed: Sendable { case greedy, lazy, possessive }

  var kind: Kind
  var next: Int
}

/// Reads the regular expressions that tokenizers use: sets, groups, alternation, quantifiers, lookahead.
///
/// The graph is built from the end of the pattern to its start, so that each node knows what follows it.
struct PatternParser {
  private indirect enum Syntax {
    case empty
    case set(ScalarSet)
    case sequence([Syntax])
    case alternatives([Syntax])
    case quantified(Syntax, min: Int, max: Int, PatternNode.Greed)
    case look(Syntax, isNegative: Bool)
    case atomic(Syntax)
    case start
    case end
  }

  private static let maximumDepth = 64
  private static let maximumNodes = 20_000
  private static let maximumCount = 1000

  private let scalars: [UInt32]
  private var position = 0
  private var ignoresCase = false
  private var depth = 0
  private(set) var nodes: [PatternNode] = [PatternNode(kind: .accept, next: 0)]
  private(set) var bitmaps = ScalarBitmaps()
  private(set) var start = 0

  init(_ pattern: String) throws(TokenizerError) {
    scalars = pattern.unicodeScalars.map(\.value)
    let syntax = try alternatives()
    guard position == scalars.count else { throw fault("an unmatched ')'") }
    start = try emit(syntax, next: 0)
  }

  private func fault(_ what: String) -> TokenizerError {
    TokenizerError("A pattern has \(what) at character \(position + 1); use a pattern of a known tokenizer.")
  }

  private var current: Unicode.Scalar? {
    position < scalars.count ? Unicode.Scalar(scalars[position]) : nil
  }

  private mutating func take(_ text: String) -> Bool {
    let wanted = text.unicodeScalars.map(\.value)
    guard scalars[position...].starts(with: wanted) else { return false }
    position += wanted.count
    return true
  }

  // MARK: - Syntax

  private mutating func alternatives() throws(TokenizerError) -> Syntax {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw fault("groups nested too deep") }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternatives(branches)
  }

  private mutating func sequence() throws(TokenizerError) -> Syntax {
    var items: [Syntax] = []
    while let scalar = current, scalar != "|", scalar != ")" { items.append(try quantified(try atom())) }
    return items.count == 1 ? items[0] : .sequence(items)
  }

  private mutating func quantified(_ atom: Syntax) throws(TokenizerError) -> Syntax {
    var result = atom
    while let (min, max) = try counts() {
      let greed: PatternNode.Greed = take("?") ? .lazy : take("+") ? .possessive : .greedy
      result = .quantified(result, min: min, max: max, greed)
    }
    return result
  }

  private mutating func counts() throws(TokenizerError) -> (Int, Int)? {
    switch current {
    case "*": position += 1; return (0, .max)
    case "+": position += 1; return (1, .max)
    case "?": position += 1; return (0, 1)
    case "{":
      guard let close = scalars[position...].firstIndex(of: 0x7D) else { return nil }
      let text = String(
        String.UnicodeScalarView(scalars[(position + 1)..<close].compactMap(Unicode.Scalar.init)))
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      guard parts.count <= 2, let min = Int(parts[0].isEmpty && parts.count == 2 ? "0" : String(parts[0]))
      else {
        return nil
      }
      let max = parts.count == 1 ? min : parts[1].isEmpty ? .max : Int(parts[1]) ?? -1
      guard min >= 0, max >= min, min <= Self.maximumCount, max == .max || max <= Self.maximumCount else {
        throw fault("a count that is out of range")
      }
      position = close + 1
      return (min, max)
    default: return nil
    }
  }

  private mutating func atom() throws(TokenizerError) -> Syntax {
    guard let scalar = current else { return .empty }
    switch scalar {
    case "(": return try group()
    case "[": return .set(folded(try bracket()))
    case ".":
      position += 1
      return .set(.complement(.scalar(0x0A)))
    case "^":
      position += 1
      return .start
    case "$":
      position += 1
      return .end
    case "*", "+", "?": throw fault("a quantifier without anything before it")
    case "\\": return .set(folded(try escape()))
    default:
      position += 1
      return .set(folded(.scalar(scalar.value)))
    }
  }

  private mutating func group() throws(TokenizerError) -> Syntax {
    let outerCase = ignoresCase
    position += 1
    var wrap: (Syntax) -> Syntax = { $0 }
    if take("?:") {
    } else if take("?i:") {
      ignoresCase = true
    } else if take("?=") {
      wrap = { .look($0, isNegative: false) }
    } else if take("?!") {
      wrap = { .look($0, isNegative: true) }
    } else if take("?>") {
      wrap = { .atomic($0) }
    } else if take("?i)") {
      ignoresCase = true
      return .empty
    } else if current == "?" {
      throw fault("a kind of group that is not known")
    }
    let inner = try alternatives()
    guard take(")") else { throw fault("a group that is not closed") }
    ignoresCase = outerCase
    return wrap(inner)
  }

  private mutating func bracket() throws(TokenizerError) -> ScalarSet {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw fault("sets nested too deep") }
    position += 1
    let isComplement = take("^")
    var members: [ScalarSet] = []
    var intersections: [ScalarSet] = []
    var isFirst = true
    while let scalar = current, scalar != "]" || isFirst {
      isFirst = false
      if take("&&") {
        intersections.append(.union(members))
        members = []
      } else if scalar == "[" {
        members.append(try bracket())
      } else {
        members.append(try member())
      }
    }
    guard take("]") else { throw fault("a set that is not closed") }
    let set = intersections.reduce(ScalarSet.union(members)) { .intersection($0, $1) }
    return isComplement ? .complement(set) : set
  }

  /// One scalar, a range of them, or a class.
  private mutating func member() throws(TokenizerError) -> ScalarSet {
    let first = try single()
    guard case .ranges(let ranges) = first, ranges.count == 1, ranges[0].count == 1, current == "-",
      position + 1 < scalars.count, scalars[position + 1] != 0x5D
    else { return first }
    position += 1
    guard case .ranges(let last) = try single(), last.count == 1, last[0].lowerBound >= ranges[0].lowerBound
    else {
      throw fault("a range whose ends are not in order")
    }
    return .ranges([ranges[0].lowerBound...last[0].lowerBound])
  }

  private mutating func single() throws(TokenizerError) -> ScalarSet {
    guard let scalar = current else { throw fault("a set that is not closed") }
    if scalar == "\\" { return try escape() }
    position += 1
    return .scalar(scalar.value)
  }

  private mutating func escape() throws(TokenizerError) -> ScalarSet {
    position += 1
    guard let scalar = current else { throw fault("a backslash at its end") }
    position += 1
    switch scalar {
    case "s": return .whiteSpace
    case "S": return .complement(.whiteSpace)
    case "d": return .digit
    case "D": return .complement(.digit)
    case "w": return .word
    case "W": return .complement(.word)
    case "n": return .scalar(0x0A)
    case "r": return .scalar(0x0D)
    case "t": return .scalar(0x09)
    case "f": return .scalar(0x0C)
    case "v": return .scalar(0x0B)
    case "p", "P": return try property(isComplement: scalar == "P")
    case "u", "x": return .scalar(try hexadecimal(digits: scalar == "u" ? 4 : 2))
    default:
      guard !scalar.properties.isAlphabetic, scalar.properties.numericType == nil else {
        throw fault("an escape '\\\(scalar)' that is not known")
      }
      return .scalar(scalar.value)
    }
  }

  private mutating func hexadecimal(digits: Int) throws(TokenizerError) -> UInt32 {
    let isBraced = take("{")
    var value: UInt32 = 0
    var count = 0
    while count < (isBraced ? 6 : digits), let digit = current.flatMap({ Character($0).hexDigitValue }) {
      value = value * 16 + UInt32(digit)
      position += 1
      count += 1
    }
    guard count > 0, !isBraced || take("}"), value <= 0x10FFFF else {
      throw fault("a code that is no scalar")
    }
    return value
  }

  private mutating func property(isComplement: Bool) throws(TokenizerError) -> ScalarSet {
    var isComplement = isComplement
    let name: String
    if take("{") {
      if take("^") { isComplement.toggle() }
      guard let close = scalars[position...].firstIndex(of: 0x7D) else {
        throw fault("a property that is not closed")
      }
      name = String(String.UnicodeScalarView(scalars[position..<close].compactMap(Unicode.Scalar.init)))
      position = close + 1
    } else {
      guard let scalar = current else { throw fault("a property without a name") }
      name = String(scalar)
      position += 1
    }
    let set: ScalarSet
    if name == "Han" || name == "Script=Han" {
      set = .ranges(ScalarProperties.han)
    } else if let categories = CategoryCode.named(name) {
      set = .categories(categories)
    } else {
      throw fault("a property '\(name)' that is not known")
    }
    return isComplement ? .complement(set) : set
  }

  /// The set with the other cases of its single scalars, where case is ignored.
  private func folded(_ set: ScalarSet) -> ScalarSet {
    guard ignoresCase, case .ranges(let ranges) = set, ranges.allSatisfy({ $0.count == 1 }) else {
      return set
    }
    var cases = Set(ranges.map(\.lowerBound))
    for range in ranges {
      guard let scalar = Unicode.Scalar(range.lowerBound) else { continue }
      for text in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
        if text.unicodeScalars.count == 1, let other = text.unicodeScalars.first { cases.insert(other.value) }
      }
      // The long s and the Kelvin sign fold to ASCII letters.
      if scalar == "s" || scalar == "S" { cases.insert(0x17F) }
      if scalar == "k" || scalar == "K" { cases.insert(0x212A) }
    }
    return .ranges(cases.sorted().map { $0...$0 })
  }

  // MARK: - Graph

  private mutating func add(_ kind: PatternNode.Kind, next: Int) throws(TokenizerError) -> Int {
    guard nodes.count < Self.maximumNodes else { throw fault("more repetitions than can be followed") }
    nodes.append(PatternNode(kind: kind, next: next))
    return nodes.count - 1
  }

  private mutating func emit(_ syntax: Syntax, next: Int) throws(TokenizerError) -> Int {
    switch syntax {
    case .empty: return next
    case .set(let set): return try add(.set(bitmaps.append(set)), next: next)
    case .sequence(let items):
      var following = next
      for item in items.reversed() { following = try emit(item, next: following) }
      return following
    case .alternatives(let branches):
      var starts: [Int] = []
      for branch in branches { starts.append(try emit(branch, next: next)) }
      return try add(.branch(starts), next: next)
    case .look(let inner, let isNegative):
      return try add(.look(try emit(inner, next: 0), isNegative: isNegative), next: next)
    case .atomic(let inner): return try add(.atomic(try emit(inner, next: 0)), next: next)
    case .start: return try add(.start, next: next)
    case .end: return try add(.end, next: next)
    case .quantified(.set(let set), let min, let max, let greed):
      return try add(.run(bitmaps.append(set), min: min, max: max, greed), next: next)
    case .quantified(let inner, let min, let max, .possessive):
      return try add(
        .atomic(try emit(.quantified(inner, min: min, max: max, .greedy), next: 0)), next: next)
    case .quantified(let inner, let min, let max, let greed):
      return try emitRepetition(inner, min, max, isLazy: greed == .lazy, next: next)
    }
  }

  private mutating func emitRepetition(
    _ inner: Syntax, _ min: Int, _ max: Int, isLazy: Bool, next: Int
  ) throws(TokenizerError) -> Int {
    var following = next
    if max == .max {
      // A loop: its node is made first, so that the inner part can lead back to it.
      let loop = try add(.branch([]), next: next)
      let body = try emit(inner, next: loop)
      nodes[loop].kind = .branch(isLazy ? [next, body] : [body, next])
      following = loop
    } else {
      for _ in min..<max {
        let body = try emit(inner, next: following)
        following = try add(.branch(isLazy ? [next, body] : [body, next]), next: next)
      }
    }
    for _ in 0..<min { following = try emit(inner, next: following) }
    return following
  }
}
