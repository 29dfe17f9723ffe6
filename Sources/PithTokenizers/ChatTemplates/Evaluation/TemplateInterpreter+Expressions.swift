extension TemplateInterpreter {
  mutating func evaluate(_ expression: TemplateExpression) throws(TemplateFault) -> Value {
    switch expression {
    case .constant(let value): return value
    case .name(let name):
      try budget.spend()
      return value(of: name)
    default: return try descend { (run) throws(TemplateFault) in try run.evaluateCompound(expression) }
    }
  }

  private mutating func evaluateCompound(_ expression: TemplateExpression) throws(TemplateFault) -> Value {
    switch expression {
    case .constant(let value): return value
    case .name(let name): return value(of: name)
    case .tuple(let items): return .tuple(try Items(try evaluate(items)))
    case .list(let items): return .list(try Items(try evaluate(items)))
    case .dictionary(let members): return try dictionary(members)
    case .negation(let operand): return try evaluate(operand).negated()
    case .affirmation(let operand): return try evaluate(operand).affirmed()
    case .arithmetic(let first, let others): return try arithmetic(first, others)
    case .concatenation(let operands): return try concatenation(operands)
    case .comparison(let first, let others): return try comparison(first, others)
    case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
    case .all(let operands): return try connective(operands, stopsAt: false)
    case .any(let operands): return try connective(operands, stopsAt: true)
    case .choice(let test, let then, let otherwise): return try choice(test, then, otherwise)
    case .postfix(let base, let uses):
      var value = try evaluate(base)
      for use in uses { value = try apply(use, to: value) }
      return value
    }
  }

  private mutating func evaluate(_ expressions: [TemplateExpression]) throws(TemplateFault) -> [Value] {
    try budget.spend(elements: expressions.count)
    var values: [Value] = []
    for expression in expressions { values.append(try evaluate(expression)) }
    return values
  }

  mutating func evaluate(_ arguments: TemplateArguments) throws(TemplateFault) -> CallArguments {
    var result = CallArguments(positional: try evaluate(arguments.positional))
    for (name, value) in arguments.named { result.named.append((name, try evaluate(value))) }
    if let spread = arguments.spread { result.positional += try elements(of: try evaluate(spread)) }
    guard let namedSpread = arguments.namedSpread else { return result }
    guard case .dictionary(let members) = try evaluate(namedSpread) else {
      throw TemplateFault("'**' must stand before a dictionary.")
    }
    let given = result.named
    try budget.spend(elements: members.count)
    try budget.spend(members.count * given.count)
    for (key, value) in zip(members.keys, members.values) {
      guard case .string(let name) = key, !given.contains(where: { $0.name.isSame(as: name) }) else {
        throw TemplateFault("a key of a dictionary after '**' is not a text, or names an argument again.")
      }
      result.named.append((name, value))
    }
    return result
  }

  private mutating func dictionary(
    _ members: [(key: TemplateExpression, value: TemplateExpression)]
  ) throws(TemplateFault) -> Value {
    try budget.spend(elements: members.count)
    var result = ValueDictionary()
    for (key, value) in members { try result.set(try paid(key: try evaluate(key)), to: try evaluate(value)) }
    return .dictionary(result)
  }

  private mutating func arithmetic(
    _ first: TemplateExpression, _ others: [(operation: ArithmeticOperator, operand: TemplateExpression)]
  ) throws(TemplateFault) -> Value {
    var value = try evaluate(first)
    for (operation, operand) in others { value = try calculate(value, operation, try evaluate(operand)) }
    return value
  }

  private mutating func concatenation(_ operands: [TemplateExpression]) throws(TemplateFault) -> Value {
    var text = ""
    for operand in operands {
      text += try self.text(of: try evaluate(operand))
      try budget.spend(bytes: text.utf8.count)
    }
    return .string(text)
  }

  private mutating func comparison(
    _ first: TemplateExpression, _ others: [(operation: ComparisonOperator, operand: TemplateExpression)]
  ) throws(TemplateFault) -> Value {
    var left = try evaluate(first)
    for (operation, operand) in others {
      let right = try evaluate(operand)
      guard try compare(left, operation, right) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  mutating func compare(
    _ left: Value, _ operation: ComparisonOperator, _ right: Value
  ) throws(TemplateFault) -> Bool {
    switch operation {
    case .equal: return try left.equals(right, &budget)
    case .notEqual: return !(try left.equals(right, &budget))
    case .isIn: return try contains(right, left)
    case .isNotIn: return !(try contains(right, left))
    case .less: return try left.order(right, &budget) == .before
    case .greater: return try left.order(right, &budget) == .after
    case .lessOrEqual: return [.before, .same].contains(try left.order(right, &budget))
    case .greaterOrEqual: return [.after, .same].contains(try left.order(right, &budget))
    }
  }

  /// `and` and `or`: the first operand that decides, or else the last.
  private mutating func connective(
    _ operands: [TemplateExpression], stopsAt decisive: Bool
  ) throws(TemplateFault) -> Value {
    var value = Value.null
    for operand in operands {
      value = try evaluate(operand)
      if value.isTrue == decisive { break }
    }
    return value
  }

  private mutating func choice(
    _ test: TemplateExpression, _ then: TemplateExpression, _ otherwise: TemplateExpression?
  ) throws(TemplateFault) -> Value {
    if try evaluate(test).isTrue { return try evaluate(then) }
    if let otherwise { return try evaluate(otherwise) }
    return .undefined(.other("an inline 'if' without 'else' was false."))
  }

  private mutating func apply(_ use: PostfixUse, to value: Value) throws(TemplateFault) -> Value {
    try budget.spend()
    switch use {
    case .attribute(let name): return try attribute(name, of: value)
    case .item(let key): return try item(try evaluate(key), of: value)
    case .slice(let lower, let upper, let step): return try slice(value, lower, upper, step)
    case .call(let arguments): return try call(value, try evaluate(arguments))
    case .filter(let use): return try apply(use, to: value)
    case .test(let use, let isNegated):
      return .bool(try test(use.name, value, try evaluate(use.arguments)) != isNegated)
    }
  }

  mutating func apply(_ use: FilterUse, to value: Value) throws(TemplateFault) -> Value {
    try filter(use.name, value, try evaluate(use.arguments))
  }

  private mutating func slice(
    _ value: Value, _ lower: TemplateExpression?, _ upper: TemplateExpression?, _ step: TemplateExpression?
  ) throws(TemplateFault) -> Value {
    try value.checkDefined()
    let lower = try sliceBound(lower)
    let upper = try sliceBound(upper)
    return try slice(value, from: lower, to: upper, by: try sliceBound(step) ?? 1)
  }

  private mutating func sliceBound(_ expression: TemplateExpression?) throws(TemplateFault) -> Int? {
    guard let expression else { return nil }
    let value = try evaluate(expression)
    if case .null = value { return nil }
    guard let bound = value.asInt else { throw TemplateFault("a bound of a slice must be a whole number.") }
    return bound
  }
}
