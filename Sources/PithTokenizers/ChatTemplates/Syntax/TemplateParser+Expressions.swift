extension TemplateParser {
  /// An expression, or several parted by commas, which make a tuple.
  mutating func tupleOrExpression(
    allowingChoice: Bool = true, until end: Token.Kind? = nil, inParentheses: Bool = false
  ) throws(TemplateFault) -> TemplateExpression {
    var items: [TemplateExpression] = []
    var isTuple = false
    repeat {
      if token == .outputEnd || token == .statementEnd || token == .symbol(.closeParenthesis) || token == end
      {
        break
      }
      items.append(try expression(allowingChoice: allowingChoice))
      isTuple = isTuple || token == .symbol(.comma)
    } while take(.comma)
    if !isTuple, let only = items.first { return only }
    guard isTuple || inParentheses else { throw TemplateFault("expected an expression but found \(token).") }
    return .tuple(items)
  }

  mutating func expression(allowingChoice: Bool = true) throws(TemplateFault) -> TemplateExpression {
    try descend()
    var value = try disjunction()
    var choices = 0
    while allowingChoice, take(keyword: "if") {
      try descend()
      choices += 1
      let test = try disjunction()
      value = .choice(test: test, then: value, otherwise: take(keyword: "else") ? try expression() : nil)
    }
    for _ in 0...choices { ascend() }
    return value
  }

  private mutating func disjunction() throws(TemplateFault) -> TemplateExpression {
    var operands = [try conjunction()]
    while take(keyword: "or") { operands.append(try conjunction()) }
    return operands.count == 1 ? operands[0] : .any(operands)
  }

  private mutating func conjunction() throws(TemplateFault) -> TemplateExpression {
    var operands = [try inversion()]
    while take(keyword: "and") { operands.append(try inversion()) }
    return operands.count == 1 ? operands[0] : .all(operands)
  }

  private mutating func inversion() throws(TemplateFault) -> TemplateExpression {
    var inversions = 0
    while take(keyword: "not") { inversions += 1 }
    let operand = try comparison()
    guard inversions > 0 else { return operand }
    return inversions % 2 == 1 ? .not(operand) : .not(.not(operand))
  }

  private mutating func comparison() throws(TemplateFault) -> TemplateExpression {
    let first = try chain(.additive)
    var others: [(operation: ComparisonOperator, operand: TemplateExpression)] = []
    while let operation = takeComparisonOperator() { others.append((operation, try chain(.additive))) }
    return others.isEmpty ? first : .comparison(first, others)
  }

  private mutating func takeComparisonOperator() -> ComparisonOperator? {
    let operation: ComparisonOperator
    switch token {
    case .symbol(.equal): operation = .equal
    case .symbol(.notEqual): operation = .notEqual
    case .symbol(.less): operation = .less
    case .symbol(.lessOrEqual): operation = .lessOrEqual
    case .symbol(.greater): operation = .greater
    case .symbol(.greaterOrEqual): operation = .greaterOrEqual
    case .name("in"): operation = .isIn
    case .name("not"):
      guard following == .name("in") else { return nil }
      skip()
      operation = .isNotIn
    default: return nil
    }
    skip()
    return operation
  }

  // MARK: Arithmetic

  /// The levels of arithmetic, from the loosest to the tightest; `~` stands between sums and products.
  private enum Level { case additive, concatenation, multiplicative, exponential }

  private mutating func chain(_ level: Level) throws(TemplateFault) -> TemplateExpression {
    if level == .concatenation { return try concatenation() }
    let first = try operand(of: level)
    var others: [(operation: ArithmeticOperator, operand: TemplateExpression)] = []
    while let operation = arithmeticOperator(at: level) {
      skip()
      others.append((operation, try operand(of: level)))
    }
    return others.isEmpty ? first : .arithmetic(first, others)
  }

  private mutating func operand(of level: Level) throws(TemplateFault) -> TemplateExpression {
    switch level {
    case .additive: try chain(.concatenation)
    case .concatenation: try chain(.multiplicative)
    case .multiplicative: try chain(.exponential)
    case .exponential: try unary()
    }
  }

  private func arithmeticOperator(at level: Level) -> ArithmeticOperator? {
    guard case .symbol(let symbol) = token else { return nil }
    switch (level, symbol) {
    case (.additive, .add): return .add
    case (.additive, .subtract): return .subtract
    case (.multiplicative, .multiply): return .multiply
    case (.multiplicative, .divide): return .divide
    case (.multiplicative, .floorDivide): return .floorDivide
    case (.multiplicative, .modulo): return .modulo
    case (.exponential, .power): return .power
    default: return nil
    }
  }

  private mutating func concatenation() throws(TemplateFault) -> TemplateExpression {
    var operands = [try operand(of: .concatenation)]
    while take(.tilde) { operands.append(try operand(of: .concatenation)) }
    return operands.count == 1 ? operands[0] : .concatenation(operands)
  }

  private mutating func unary(allowingFilters: Bool = true) throws(TemplateFault) -> TemplateExpression {
    let operand: TemplateExpression
    if take(.subtract) {
      operand = .negation(try nestedUnary())
    } else if take(.add) {
      operand = .affirmation(try nestedUnary())
    } else {
      operand = try primary()
    }
    var uses: [PostfixUse] = []
    while let use = try postfixUse() { uses.append(use) }
    while allowingFilters, let use = try filterOrTest() { uses.append(use) }
    return uses.isEmpty ? operand : .postfix(operand, uses)
  }

  private mutating func nestedUnary() throws(TemplateFault) -> TemplateExpression {
    try descend()
    let operand = try unary(allowingFilters: false)
    ascend()
    return operand
  }

  // MARK: Operands

  mutating func primary() throws(TemplateFault) -> TemplateExpression {
    switch token {
    case .name(let name):
      skip()
      switch name {
      case "true", "True": return .constant(.bool(true))
      case "false", "False": return .constant(.bool(false))
      case "none", "None": return .constant(.null)
      default: return .name(place(of: name))
      }
    case .string(var text):
      skip()
      while case .string(let more) = token {
        text += more
        skip()
      }
      return .constant(.string(text))
    case .integer(let value):
      skip()
      return .constant(.int(value))
    case .float(let value):
      skip()
      return .constant(.double(value))
    case .symbol(.openParenthesis):
      skip()
      try descend()
      let inner = try tupleOrExpression(inParentheses: true)
      ascend()
      try expect(.closeParenthesis)
      return inner
    case .symbol(.openBracket): return try list()
    case .symbol(.openBrace): return try dictionary()
    default: throw TemplateFault("expected an expression but found \(token).")
    }
  }

  private mutating func list() throws(TemplateFault) -> TemplateExpression {
    try expect(.openBracket)
    var items: [TemplateExpression] = []
    while !take(.closeBracket) {
      if !items.isEmpty {
        try expect(.comma)
        if take(.closeBracket) { break }
      }
      items.append(try expression())
    }
    return .list(items)
  }

  private mutating func dictionary() throws(TemplateFault) -> TemplateExpression {
    try expect(.openBrace)
    var members: [(key: TemplateExpression, value: TemplateExpression)] = []
    while !take(.closeBrace) {
      if !members.isEmpty {
        try expect(.comma)
        if take(.closeBrace) { break }
      }
      let key = try expression()
      try expect(.colon)
      members.append((key, try expression()))
    }
    return .dictionary(members)
  }
}
