/// A regular expression as a tree.
indirect enum PatternNode {
  case empty
  case set(ScalarSet)
  case sequence([PatternNode])
  case alternation([PatternNode])
  case repetition(PatternNode, minimum: Int, maximum: Int?, Greed)
  case lookahead(PatternNode, isNegated: Bool)
  case atomic(PatternNode)
  case assertion(Assertion)

  enum Greed { case greedy, lazy, possessive }
  enum Assertion: UInt8 { case textStart, textEnd, lineStart, lineEnd, wordEdge, noWordEdge }

  /// Whether the node can match nothing; repeating such a node without limit would never end.
  var canBeEmpty: Bool {
    switch self {
    case .empty, .lookahead, .assertion: true
    case .set: false
    case .sequence(let nodes): nodes.allSatisfy(\.canBeEmpty)
    case .alternation(let nodes): nodes.contains(where: \.canBeEmpty)
    case .repetition(let node, let minimum, _, _): minimum == 0 || node.canBeEmpty
    case .atomic(let node): node.canBeEmpty
    }
  }
}

/// Reads the dialect of regular expressions that tokenizer files are written in: Oniguruma's, of which
/// alternation, groups, classes with `&&` and nesting, `\p{…}`, quantifiers of all three kinds, lookahead,
/// atomic groups and inline `(?i)` are understood, and the rest is refused by name.
struct PatternParser {
  private let scalars: [UInt32]
  private var position = 0
  private var depth = 0
  private var ignoresCase = false
  private var dotMatchesNewline = false

  init(_ source: String) { scalars = source.unicodeScalars.map(\.value) }

  mutating func parse() throws(TokenizerError) -> PatternNode {
    guard scalars.count <= 20_000 else { throw fault("is longer than 20,000 characters") }
    let node = try parseAlternation()
    guard position == scalars.count else { throw fault("closes a group that was never opened") }
    return node
  }

  private func fault(_ reason: String) -> TokenizerError {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars.prefix(60).compactMap(Unicode.Scalar.init))
    return TokenizerError(
      "The pattern \"\(String(text))\" \(reason) (at character \(position)); write it in simpler terms.")
  }

  private var current: Unicode.Scalar? {
    position < scalars.count ? Unicode.Scalar(scalars[position]) : nil
  }

  private mutating func accept(_ text: StaticString) -> Bool {
    let wanted = "\(text)".unicodeScalars.map(\.value)
    guard scalars[position...].starts(with: wanted) else { return false }
    position += wanted.count
    return true
  }

  private mutating func parseAlternation() throws(TokenizerError) -> PatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 32 else { throw fault("nests deeper than 32 groups") }
    let (outerCase, outerDot) = (ignoresCase, dotMatchesNewline)
    defer { (ignoresCase, dotMatchesNewline) = (outerCase, outerDot) }
    var branches: [PatternNode] = []
    repeat {
      var items: [PatternNode] = []
      while let scalar = current, scalar != "|", scalar != ")" {
        if let item = try parseItem() { items.append(item) }
      }
      branches.append(items.count == 1 ? items[0] : items.isEmpty ? .empty : .sequence(items))
    } while accept("|")
    return branches.count == 1 ? branches[0] : .alternation(branches)
  }

  private mutating func parseItem() throws(TokenizerError) -> PatternNode? {
    guard var node = try parseAtom() else { return nil }
    while let (minimum, maximum, greed) = try parseQuantifier() {
      if node.canBeEmpty, maximum == nil { throw fault("repeats something that may match nothing") }
      node = .repetition(node, minimum: minimum, maximum: maximum, greed)
    }
    return node
  }

  private mutating func parseQuantifier() throws(TokenizerError) -> (Int, Int?, PatternNode.Greed)? {
    var bounds: (Int, Int?)
    var isCounted = false
    switch current {
    case "*": bounds = (0, nil)
    case "+": bounds = (1, nil)
    case "?": bounds = (0, 1)
    case "{":
      guard let counted = try parseCounts() else { return nil }
      bounds = counted
      isCounted = true
    default: return nil
    }
    if !isCounted { position += 1 }
    if accept("?") { return (bounds.0, bounds.1, .lazy) }
    // In this dialect `{n,m}+` is a repetition of a repetition.
    if !isCounted, accept("+") { return (bounds.0, bounds.1, .possessive) }
    return (bounds.0, bounds.1, .greedy)
  }

  /// Reads `{m}`, `{m,}`, `{,n}` or `{m,n}`; nil, with nothing read, when the brace is a plain character.
  private mutating func parseCounts() throws(TokenizerError) -> (Int, Int?)? {
    let start = position
    position += 1
    let minimum = parseInteger()
    var maximum = minimum
    if accept(",") { maximum = parseInteger() }
    guard accept("}"), minimum != nil || maximum != nil else {
      position = start
      return nil
    }
    guard (minimum ?? 0) <= 1000, (maximum ?? 0) <= 1000, (minimum ?? 0) <= maximum ?? .max else {
      throw fault("has a repetition count that is out of order or above 1,000")
    }
    return (minimum ?? 0, maximum)
  }

  private mutating func parseInteger() -> Int? {
    var value: Int?
    while let scalar = current, scalar.isASCII, let digit = Int(String(scalar)) {
      value = min((value ?? 0) * 10 + digit, 1_000_000)
      position += 1
    }
    return value
  }

  private mutating func parseAtom() throws(TokenizerError) -> PatternNode? {
    guard let scalar = current else { throw fault("ends too early") }
    switch scalar {
    case "(": return try parseGroup()
    case "[": return .set(try parseClass())
    case "\\": return try parseEscape()
    case "*", "+", "?": throw fault("repeats nothing")
    default: break
    }
    position += 1
    switch scalar {
    case ".": return .set(dotMatchesNewline ? .all : .complement(.scalar(0x0A)))
    case "^": return .assertion(.lineStart)
    case "$": return .assertion(.lineEnd)
    default: return .set(literal(scalar.value))
    }
  }

  private mutating func parseGroup() throws(TokenizerError) -> PatternNode? {
    position += 1
    var wrap: (PatternNode) -> PatternNode = { $0 }
    if accept("?") {
      if accept("=") {
        wrap = { .lookahead($0, isNegated: false) }
      } else if accept("!") {
        wrap = { .lookahead($0, isNegated: true) }
      } else if accept(">") {
        wrap = { .atomic($0) }
      } else if !accept(":") {
        return try parseOptions()
      }
    }
    let node = try parseAlternation()
    guard accept(")") else { throw fault("leaves a group open") }
    return wrap(node)
  }

  /// Reads the options of `(?i)` or `(?i:…)`.
  private mutating func parseOptions() throws(TokenizerError) -> PatternNode? {
    let (outerCase, outerDot) = (ignoresCase, dotMatchesNewline)
    var turnsOn = true
    while let scalar = current {
      position += 1
      switch scalar {
      case "i": ignoresCase = turnsOn
      case "m", "s": dotMatchesNewline = turnsOn
      case "-": turnsOn = false
      case ")":
        // The options hold to the end of the surrounding group, whose parser restores them.
        return try parseAlternation()
      case ":":
        let node = try parseAlternation()
        (ignoresCase, dotMatchesNewline) = (outerCase, outerDot)
        guard accept(")") else { throw fault("leaves a group open") }
        return node
      default: throw fault("uses a kind of group that is not supported")
      }
    }
    throw fault("leaves a group open")
  }

  private func literal(_ scalar: UInt32) -> ScalarSet {
    ignoresCase ? CaseVariants.set(of: scalar) : .scalar(scalar)
  }

  private mutating func parseEscape() throws(TokenizerError) -> PatternNode {
    position += 1
    guard let scalar = current else { throw fault("ends in a backslash") }
    switch scalar {
    case "b": position += 1; return .assertion(.wordEdge)
    case "B": position += 1; return .assertion(.noWordEdge)
    case "A": position += 1; return .assertion(.textStart)
    case "z", "Z": position += 1; return .assertion(.textEnd)
    default:
      if let set = try parseClassEscape() { return .set(set) }
      return .set(literal(try parseEscapedScalar()))
    }
  }

  /// Reads what follows a backslash when it names a class; nil, with nothing read, when it does not.
  private mutating func parseClassEscape() throws(TokenizerError) -> ScalarSet? {
    guard let scalar = current else { return nil }
    let set: ScalarSet
    switch scalar {
    case "s": set = .whiteSpace
    case "S": set = .complement(.whiteSpace)
    case "d": set = .digit
    case "D": set = .complement(.digit)
    case "w": set = .word
    case "W": set = .complement(.word)
    case "h": set = .ranges([0x30...0x39, 0x41...0x46, 0x61...0x66])
    case "p", "P":
      position += 1
      return try parseProperty(isNegated: scalar == "P")
    default: return nil
    }
    position += 1
    return set
  }

  private mutating func parseProperty(isNegated: Bool) throws(TokenizerError) -> ScalarSet {
    var name = ""
    if accept("{") {
      while let scalar = current, scalar != "}" {
        name.unicodeScalars.append(scalar)
        position += 1
      }
      guard accept("}") else { throw fault("leaves a property open") }
    } else if let scalar = current {
      name.unicodeScalars.append(scalar)
      position += 1
    }
    var isNegated = isNegated
    if name.hasPrefix("^") {
      isNegated.toggle()
      name.removeFirst()
    }
    guard let set = Self.property(name) else {
      throw fault("names the property \"\(name.prefix(40))\", which is not supported")
    }
    return isNegated ? .complement(set) : set
  }

  private static func property(_ name: String) -> ScalarSet? {
    switch name {
    case "Han", "Script=Han", "sc=Han": .ranges(ScalarProperties.han)
    case "Letter": CategoryCode.named("L").map { .categories($0) }
    case "Number": CategoryCode.named("N").map { .categories($0) }
    case "Punctuation": CategoryCode.named("P").map { .categories($0) }
    case "Space", "White_Space": .whiteSpace
    default: name.count <= 2 ? CategoryCode.named(name).map { .categories($0) } : nil
    }
  }

  private mutating func parseEscapedScalar() throws(TokenizerError) -> UInt32 {
    guard let scalar = current else { throw fault("ends in a backslash") }
    position += 1
    switch scalar {
    case "n": return 0x0A
    case "r": return 0x0D
    case "t": return 0x09
    case "f": return 0x0C
    case "v": return 0x0B
    case "a": return 0x07
    case "e": return 0x1B
    case "0": return 0
    case "x", "u": return try parseHexadecimal(digits: scalar == "x" ? 2 : 4)
    default:
      guard !(scalar.isASCII && scalar.properties.isAlphabetic), !("1"..."9").contains(scalar) else {
        throw fault("uses the escape \\\(scalar), which is not supported")
      }
      return scalar.value
    }
  }

  private mutating func parseHexadecimal(digits: Int) throws(TokenizerError) -> UInt32 {
    let isBraced = accept("{")
    var value: UInt32 = 0
    var count = 0
    while count < (isBraced ? 8 : digits), let scalar = current, scalar.isASCII,
      let digit = UInt32(String(scalar), radix: 16)
    {
      value = value << 4 | digit
      count += 1
      position += 1
    }
    guard count > 0, value <= 0x10FFFF, !isBraced || accept("}") else {
      throw fault("has a hexadecimal escape that names no character")
    }
    return value
  }

  private mutating func parseClass() throws(TokenizerError) -> ScalarSet {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 32 else { throw fault("nests deeper than 32 groups") }
    position += 1
    let isNegated = accept("^")
    var members: [ScalarSet] = []
    var intersected: ScalarSet?
    var isFirst = true
    while true {
      guard let scalar = current else { throw fault("leaves a class open") }
      if scalar == "]", !isFirst { break }
      isFirst = false
      if scalar == "[", scalars.count > position + 1, scalars[position + 1] != 0x3A {
        members.append(try parseClass())
      } else if accept("&&") {
        let left = ScalarSet.union(members)
        intersected = intersected.map { .intersection($0, left) } ?? left
        members = []
      } else {
        members.append(try parseClassMember())
      }
    }
    position += 1
    var set = ScalarSet.union(members)
    if let intersected { set = .intersection(intersected, set) }
    return isNegated ? .complement(set) : set
  }

  private mutating func parseClassMember() throws(TokenizerError) -> ScalarSet {
    if accept("[:") { throw fault("uses a POSIX class, which is not supported") }
    let low: UInt32
    if accept("\\") {
      if let set = try parseClassEscape() { return set }
      low = current == "b" ? 8 : try parseEscapedScalar()
      if low == 8, current == "b" { position += 1 }
    } else {
      low = scalars[position]
      position += 1
    }
    guard current == "-", position + 1 < scalars.count, scalars[position + 1] != 0x5D else {
      return literal(low)
    }
    position += 1
    let high: UInt32
    if accept("\\") {
      high = try parseEscapedScalar()
    } else {
      high = scalars[position]
      position += 1
    }
    guard low <= high else { throw fault("has a range whose ends are out of order") }
    guard ignoresCase else { return .ranges([low...high]) }
    return .union([.ranges([low...high])] + (low...min(high, low + 255)).map(CaseVariants.set))
  }
}

/// The scalars that differ from one another in case alone.
private enum CaseVariants {
  static func set(of value: UInt32) -> ScalarSet {
    guard let scalar = Unicode.Scalar(value) else { return .scalar(value) }
    var variants: Set<UInt32> = [value]
    for mapping in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
      let scalars = mapping.unicodeScalars
      if scalars.count == 1, let variant = scalars.first { variants.insert(variant.value) }
    }
    // The long s, the Kelvin and the Ångström sign fold to plain letters.
    for (letters, sign) in [("sS", 0x17F), ("kK", 0x212A), ("åÅ", 0x212B)] as [(String, UInt32)]
    where letters.unicodeScalars.contains(where: { variants.contains($0.value) }) {
      variants.formUnion(letters.unicodeScalars.map(\.value) + [sign])
    }
    return .ranges(variants.map { $0...$0 })
  }
}
