extension TemplateParser {
  /// An attribute, a subscript or a call, if one comes next.
  mutating func postfixUse() throws(TemplateFault) -> PostfixUse? {
    switch token {
    case .symbol(.dot):
      skip()
      if case .integer(let index) = token {
        skip()
        return .item(.constant(.int(index)))
      }
      return .attribute(try expectName())
    case .symbol(.openBracket): return try subscriptUse()
    case .symbol(.openParenthesis): return .call(try arguments())
    default: return nil
    }
  }

  /// A filter, a test or a call of their result, if one comes next.
  mutating func filterOrTest() throws(TemplateFault) -> PostfixUse? {
    switch token {
    case .symbol(.pipe):
      skip()
      return .filter(try filterUse())
    case .name("is"): return try testUse()
    case .symbol(.openParenthesis): return .call(try arguments())
    default: return nil
    }
  }

  private mutating func subscriptUse() throws(TemplateFault) -> PostfixUse {
    try expect(.openBracket)
    var items: [TemplateExpression] = []
    while !take(.closeBracket) {
      if !items.isEmpty { try expect(.comma) }
      let first = token == .symbol(.colon) ? nil : try expression()
      if let first, token != .symbol(.colon) {
        items.append(first)
        continue
      }
      guard items.isEmpty else { throw TemplateFault("a subscript with commas cannot hold a slice.") }
      skip()
      let second = try sliceBound()
      let step = take(.colon) ? try sliceBound() : nil
      try expect(.closeBracket)
      return .slice(first, second, step: step)
    }
    return .item(items.count == 1 ? items[0] : .tuple(items))
  }

  private mutating func sliceBound() throws(TemplateFault) -> TemplateExpression? {
    token == .symbol(.colon) || token == .symbol(.closeBracket) ? nil : try expression()
  }

  /// The name and the arguments of a filter, whose `|` has been read.
  mutating func filterUse() throws(TemplateFault) -> FilterUse {
    var name = try expectName()
    while take(.dot) { name += "." + (try expectName()) }
    let arguments = token == .symbol(.openParenthesis) ? try arguments() : TemplateArguments()
    return FilterUse(name: name, arguments: arguments)
  }

  private mutating func testUse() throws(TemplateFault) -> PostfixUse {
    try expect(.name("is"))
    let isNegated = take(keyword: "not")
    var name = try expectName()
    while take(.dot) { name += "." + (try expectName()) }
    return .test(FilterUse(name: name, arguments: try testArguments()), isNegated: isNegated)
  }

  /// The arguments of a test: in parentheses, or a single operand without them.
  private mutating func testArguments() throws(TemplateFault) -> TemplateArguments {
    switch token {
    case .symbol(.openParenthesis): return try arguments()
    case .name("else"), .name("or"), .name("and"): return TemplateArguments()
    case .name("is"): throw TemplateFault("tests cannot be chained with 'is'.")
    case .name, .string, .integer, .float, .symbol(.openBracket), .symbol(.openBrace):
      let operand = try primary()
      var uses: [PostfixUse] = []
      while let use = try postfixUse() { uses.append(use) }
      return TemplateArguments(positional: [uses.isEmpty ? operand : .postfix(operand, uses)])
    default: return TemplateArguments()
    }
  }

  private mutating func arguments() throws(TemplateFault) -> TemplateArguments {
    try expect(.openParenthesis)
    var arguments = TemplateArguments()
    var isFirst = true
    while !take(.closeParenthesis) {
      if !isFirst {
        try expect(.comma)
        if take(.closeParenthesis) { break }
      }
      isFirst = false
      try readArgument(into: &arguments)
    }
    return arguments
  }

  private mutating func readArgument(into arguments: inout TemplateArguments) throws(TemplateFault) {
    let isOpen = arguments.namedSpread == nil
    if isOpen, arguments.spread == nil, take(.multiply) {
      arguments.spread = try expression()
    } else if isOpen, take(.power) {
      arguments.namedSpread = try expression()
    } else if isOpen, case .name(let name) = token, following == .symbol(.assign) {
      skip()
      skip()
      guard !arguments.named.contains(where: { $0.name == name }) else {
        throw TemplateFault("the argument '\(name)' is given twice.")
      }
      arguments.named.append((name, try expression()))
    } else if isOpen, arguments.spread == nil, arguments.named.isEmpty {
      arguments.positional.append(try expression())
    } else {
      throw TemplateFault("an argument stands after '**' or after a named one.")
    }
  }
}
