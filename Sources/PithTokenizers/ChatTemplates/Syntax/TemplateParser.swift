/// Reads the tokens of a template as statements, by recursive descent as Jinja does.
struct TemplateParser {
  private let tokens: [Token]
  private var position = 0
  private var nesting = 0
  private var places: [String: TemplateName] = [:]
  private(set) var names: [String] = []
  /// How many loops of the macro being read are open: outside of one, `break` has nothing to leave.
  var openLoops = 0
  /// The special names that the macro being read has mentioned so far.
  private var specials: Set<String> = []

  init(_ tokens: [Token]) { self.tokens = tokens }

  /// The line of the token that is read next.
  var line: Int { tokens[position].line }

  mutating func parse() throws(TemplateFault) -> TemplateProgram {
    let body = try statements(until: [])
    return TemplateProgram(body: body, names: names)
  }

  // MARK: Tokens

  var token: Token.Kind { tokens[position].kind }

  var following: Token.Kind { tokens[min(position + 1, tokens.count - 1)].kind }

  mutating func skip() { if position < tokens.count - 1 { position += 1 } }

  mutating func take(_ kind: Token.Kind) -> Bool {
    guard token == kind else { return false }
    skip()
    return true
  }

  mutating func take(_ symbol: Symbol) -> Bool { take(.symbol(symbol)) }

  mutating func take(keyword: String) -> Bool { take(.name(keyword)) }

  mutating func expect(_ kind: Token.Kind) throws(TemplateFault) {
    guard take(kind) else { throw TemplateFault("expected \(kind) but found \(token).") }
  }

  mutating func expect(_ symbol: Symbol) throws(TemplateFault) { try expect(.symbol(symbol)) }

  mutating func expectName() throws(TemplateFault) -> String {
    guard case .name(let name) = token else { throw TemplateFault("expected a name but found \(token).") }
    skip()
    return name
  }

  /// The place of a name in the list of all names.
  mutating func place(of name: String) -> TemplateName {
    if ["varargs", "kwargs", "caller"].contains(name) { specials.insert(name) }
    if let place = places[name] { return place }
    places[name] = names.count
    names.append(name)
    return names.count - 1
  }

  /// Goes one level deeper, and fails when the source is nested deeper than any real template.
  mutating func descend() throws(TemplateFault) {
    nesting += 1
    guard nesting <= TemplateLimits.sourceNesting else {
      throw TemplateFault("the source is nested more than \(TemplateLimits.sourceNesting) levels deep.")
    }
  }

  mutating func ascend() { nesting -= 1 }

  // MARK: Statements

  /// The statements up to a tag named by one of `ends`, whose name is the next token, or up to the end of the source
  /// if there are none.
  private mutating func statements(until ends: [String]) throws(TemplateFault) -> [TemplateStatement] {
    try descend()
    var result: [TemplateStatement] = []
    while true {
      let line = self.line
      switch token {
      case .text(let text):
        skip()
        result.append(TemplateStatement(line: line, kind: .text(text)))
      case .outputBegin:
        skip()
        let expression = try tupleOrExpression()
        result.append(TemplateStatement(line: line, kind: .output(expression)))
        try expect(.outputEnd)
      case .statementBegin:
        skip()
        if case .name(let name) = token, ends.contains(name) {
          ascend()
          return result
        }
        result.append(TemplateStatement(line: line, kind: try statement()))
        try expect(.statementEnd)
      default:
        guard ends.isEmpty else {
          throw TemplateFault("the template ends where '{% \(ends[ends.count - 1]) %}' is missing.")
        }
        ascend()
        return result
      }
    }
  }

  /// The body of a statement up to the tag `end`, which is read too.
  private mutating func body(until end: String) throws(TemplateFault) -> [TemplateStatement] {
    let (body, _) = try body(untilOneOf: [end])
    return body
  }

  private mutating func body(
    untilOneOf ends: [String]
  ) throws(TemplateFault) -> ([TemplateStatement], end: String) {
    _ = take(.colon)
    try expect(.statementEnd)
    let body = try statements(until: ends)
    return (body, try expectName())
  }

  private mutating func statement() throws(TemplateFault) -> TemplateStatement.Kind {
    let keyword = try expectName()
    switch keyword {
    case "if": return try conditional()
    case "for": return try loop()
    case "set": return try assignment()
    case "macro": return try macro()
    case "call": return try callBlock()
    case "filter":
      return .filterBlock(try filterChain(startsInline: true), body: try body(until: "endfilter"))
    case "with": return try scope()
    case "generation": return .generation(try macroBody(until: "endgeneration").0)
    case "break", "continue":
      guard openLoops > 0 else { throw TemplateFault("'\(keyword)' stands outside of a loop.") }
      return keyword == "break" ? .leaveLoop : .nextIteration
    default: throw TemplateFault("there is no statement called '\(keyword)' here.")
    }
  }

  private mutating func conditional() throws(TemplateFault) -> TemplateStatement.Kind {
    var branches: [TemplateStatement.Branch] = []
    while true {
      let test = try tupleOrExpression(allowingChoice: false)
      let (body, end) = try body(untilOneOf: ["elif", "else", "endif"])
      branches.append(TemplateStatement.Branch(test: test, body: body))
      if end == "endif" { return .conditional(branches, otherwise: []) }
      if end == "else" { return .conditional(branches, otherwise: try self.body(until: "endif")) }
    }
  }

  private mutating func loop() throws(TemplateFault) -> TemplateStatement.Kind {
    let target = try target(until: .name("in"), allowingNamespace: false)
    if case .name(let name) = target, names[name] == "loop" {
      throw TemplateFault("a loop cannot call its variable 'loop'.")
    }
    try expect(.name("in"))
    let items = try tupleOrExpression(allowingChoice: false, until: .name("recursive"))
    let filter = take(keyword: "if") ? try expression() : nil
    guard token != .name("recursive") else { throw TemplateFault("recursive loops are not supported.") }
    openLoops += 1
    let (body, end) = try body(untilOneOf: ["else", "endfor"])
    openLoops -= 1
    let otherwise = end == "else" ? try self.body(until: "endfor") : []
    return .loop(
      TemplateLoop(target: target, items: items, filter: filter, body: body, otherwise: otherwise))
  }

  private mutating func assignment() throws(TemplateFault) -> TemplateStatement.Kind {
    let target = try target(until: nil, allowingNamespace: true)
    if take(.assign) { return .assignment(target, try tupleOrExpression()) }
    let filters = try filterChain(startsInline: false)
    return .captureAssignment(target, filters: filters, body: try body(until: "endset"))
  }

  private mutating func scope() throws(TemplateFault) -> TemplateStatement.Kind {
    var assignments: [(AssignmentTarget, TemplateExpression)] = []
    while token != .statementEnd {
      if !assignments.isEmpty { try expect(.comma) }
      let target = try target(until: nil, allowingNamespace: false)
      try expect(.assign)
      assignments.append((target, try expression()))
    }
    return .scope(assignments, body: try body(until: "endwith"))
  }

  /// A filter chain without its operand, as `filter` and `set` blocks have it.
  private mutating func filterChain(startsInline: Bool) throws(TemplateFault) -> [FilterUse] {
    var filters: [FilterUse] = []
    if startsInline { filters.append(try filterUse()) }
    while take(.pipe) { filters.append(try filterUse()) }
    return filters
  }

  // MARK: Macros

  private mutating func macro() throws(TemplateFault) -> TemplateStatement.Kind {
    let name = try expectName()
    let parameters = try parameters()
    let variable = place(of: name)
    let (body, specials) = try macroBody(until: "endmacro")
    return .macro(
      TemplateMacro(
        name: name, variable: variable, parameters: parameters, body: body, specials: specials))
  }

  private mutating func callBlock() throws(TemplateFault) -> TemplateStatement.Kind {
    let parameters = token == .symbol(.openParenthesis) ? try parameters() : []
    let call = try expression()
    guard case .postfix(_, let uses) = call, case .call = uses.last else {
      throw TemplateFault("a call block must call something.")
    }
    let (body, specials) = try macroBody(until: "endcall")
    let caller = TemplateMacro(
      name: "caller", variable: place(of: "caller"), parameters: parameters, body: body, specials: specials)
    return .callBlock(caller, call)
  }

  private mutating func macroBody(
    until end: String
  ) throws(TemplateFault) -> ([TemplateStatement], specials: Set<String>) {
    let outer = (openLoops, specials)
    (openLoops, specials) = (0, [])
    let body = try body(until: end)
    let inner = specials
    (openLoops, specials) = (outer.0, outer.1.union(inner))
    return (body, inner)
  }

  private mutating func parameters() throws(TemplateFault) -> [TemplateMacro.Parameter] {
    var parameters: [TemplateMacro.Parameter] = []
    try expect(.openParenthesis)
    while !take(.closeParenthesis) {
      if !parameters.isEmpty { try expect(.comma) }
      let name = place(of: try assignableName())
      let standard = take(.assign) ? try expression() : nil
      if standard == nil, let last = parameters.last, last.standard != nil {
        throw TemplateFault("a parameter without a default follows one with a default.")
      }
      parameters.append(TemplateMacro.Parameter(name: name, standard: standard))
    }
    return parameters
  }

  // MARK: Assignment targets

  private mutating func assignableName() throws(TemplateFault) -> String {
    let name = try expectName()
    guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
      throw TemplateFault("'\(name)' cannot be assigned to.")
    }
    return name
  }

  private mutating func target(
    until end: Token.Kind?, allowingNamespace: Bool
  ) throws(TemplateFault) -> AssignmentTarget {
    try descend()
    var targets: [AssignmentTarget] = []
    var isTuple = false
    repeat {
      if isTuple, token == end || token == .symbol(.closeParenthesis) || token == .symbol(.assign) { break }
      if take(.openParenthesis) {
        targets.append(try target(until: nil, allowingNamespace: false))
        try expect(.closeParenthesis)
      } else {
        let name = place(of: try assignableName())
        if allowingNamespace, take(.dot) {
          targets.append(.namespaceAttribute(name, try expectName()))
        } else {
          targets.append(.name(name))
        }
      }
      isTuple = isTuple || token == .symbol(.comma)
    } while take(.comma)
    ascend()
    return isTuple ? .tuple(targets) : targets[0]
  }
}
