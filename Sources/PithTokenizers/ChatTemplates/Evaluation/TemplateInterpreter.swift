/// Runs a template: walks its statements, collects its text, and counts what it costs.
struct TemplateInterpreter {
  let program: TemplateProgram
  let clock: CalendarTime?
  /// The line of the statement being run, for errors.
  private(set) var line = 1
  var budget = TemplateBudget()
  var namespaces: [ValueDictionary] = []
  private(set) var output = ""
  private var scopes: [Scope]
  private var currentScope = 0
  /// Scopes below this number are seen by a macro, and live as long as the template runs.
  private var keptScopes = 1
  private var nesting = 0
  private var iterators: [[Value]] = []
  private var loops: [LoopState] = []
  private var loopCount = 0
  private var macros: [(macro: TemplateMacro, scope: Int)] = []

  /// The variables of a loop's turn, a macro's call or a block, and the scope around it.
  private struct Scope {
    let parent: Int
    var variables: [TemplateName: Value]
  }

  private struct LoopState {
    let number: Int
    let items: [Value]
    var index = 0
    var changed: [Value]?
  }

  enum Flow { case next, leaveLoop, nextIteration }

  init(
    _ program: TemplateProgram, variables: [TemplateName: Value], clock: CalendarTime?
  ) {
    self.program = program
    self.clock = clock
    scopes = [Scope(parent: -1, variables: variables)]
  }

  /// Runs the whole template; its text is then in `output`.
  mutating func run() throws(TemplateFault) { _ = try run(program.body) }

  // MARK: Variables

  mutating func assign(_ name: TemplateName, _ value: Value) { scopes[currentScope].variables[name] = value }

  func value(of name: TemplateName) -> Value {
    var scope = currentScope
    while scope >= 0 {
      if let value = scopes[scope].variables[name] { return value }
      scope = scopes[scope].parent
    }
    if let function = TemplateFunction(rawValue: program.names[name]) { return .function(function) }
    return .undefined(.name(program.names[name]))
  }

  /// Does `work` with new variables that hide those of `parent`, or of the current scope.
  mutating func inScope<Result>(
    of parent: Int? = nil, _ work: (inout TemplateInterpreter) throws(TemplateFault) -> Result
  ) throws(TemplateFault) -> Result {
    let outer = currentScope
    currentScope = scopes.count
    scopes.append(Scope(parent: parent ?? outer, variables: [:]))
    let result = try work(&self)
    if currentScope >= keptScopes { scopes.removeLast() }
    currentScope = outer
    return result
  }

  /// The text that `work` writes.
  mutating func capture(
    _ work: (inout TemplateInterpreter) throws(TemplateFault) -> Void
  ) throws(TemplateFault) -> String {
    var text = ""
    swap(&text, &output)
    try work(&self)
    swap(&text, &output)
    return text
  }

  /// Does `work` one level deeper, and fails when that is deeper than any real template goes.
  mutating func descend<Result>(
    _ work: (inout TemplateInterpreter) throws(TemplateFault) -> Result
  ) throws(TemplateFault) -> Result {
    try budget.spend()
    nesting += 1
    guard nesting <= TemplateLimits.evaluationNesting else {
      throw TemplateFault("macros and expressions are nested too deep.")
    }
    let result = try work(&self)
    nesting -= 1
    return result
  }

  private mutating func write(_ text: String) throws(TemplateFault) {
    try budget.spend(bytes: text.utf8.count)
    output += text
    guard output.utf8.count <= TemplateLimits.textBytes else {
      throw TemplateFault("the rendered text is longer than \(TemplateLimits.textBytes) bytes.")
    }
  }

  // MARK: Statements

  mutating func run(_ body: [TemplateStatement]) throws(TemplateFault) -> Flow {
    try descend { (run) throws(TemplateFault) in
      for statement in body {
        run.line = statement.line
        try run.budget.spend()
        let flow = try run.run(statement.kind)
        if flow != .next { return flow }
      }
      return .next
    }
  }

  private mutating func run(_ statement: TemplateStatement.Kind) throws(TemplateFault) -> Flow {
    switch statement {
    case .text(let text): try write(text)
    case .output(let expression): try write(try text(of: try evaluate(expression)))
    case .conditional(let branches, let otherwise): return try runConditional(branches, otherwise)
    case .loop(let loop): return try runLoop(loop)
    case .assignment(let target, let expression): try assign(target, try evaluate(expression))
    case .captureAssignment(let target, let filters, let body):
      let (text, flow) = try captured(body, filters)
      if flow != .next { return flow }
      try assign(target, text)
    case .macro(let macro): assign(macro.variable, define(macro))
    case .callBlock(let caller, let call): try runCallBlock(caller, call)
    case .filterBlock(let filters, let body):
      let (text, flow) = try captured(body, filters)
      if flow != .next { return flow }
      try write(try self.text(of: text))
    case .scope(let assignments, let body): return try runScope(assignments, body)
    case .generation(let body):
      _ = try inScope { (run) throws(TemplateFault) in try run.run(body) }
    case .leaveLoop: return .leaveLoop
    case .nextIteration: return .nextIteration
    }
    return .next
  }

  private mutating func runConditional(
    _ branches: [TemplateStatement.Branch], _ otherwise: [TemplateStatement]
  ) throws(TemplateFault) -> Flow {
    for branch in branches where try evaluate(branch.test).isTrue { return try run(branch.body) }
    return try run(otherwise)
  }

  private mutating func captured(
    _ body: [TemplateStatement], _ filters: [FilterUse]
  ) throws(TemplateFault) -> (Value, Flow) {
    var flow = Flow.next
    let text = try capture { (run) throws(TemplateFault) in
      flow = try run.inScope { (run) throws(TemplateFault) in try run.run(body) }
    }
    guard flow == .next else { return (.null, flow) }
    var value = Value.string(text)
    for filter in filters { value = try apply(filter, to: value) }
    return (value, .next)
  }

  private mutating func runScope(
    _ assignments: [(AssignmentTarget, TemplateExpression)], _ body: [TemplateStatement]
  ) throws(TemplateFault) -> Flow {
    var values: [Value] = []
    for (_, expression) in assignments { values.append(try evaluate(expression)) }
    return try inScope { (run) throws(TemplateFault) in
      for ((target, _), value) in zip(assignments, values) { try run.assign(target, value) }
      return try run.run(body)
    }
  }

  private mutating func assign(_ target: AssignmentTarget, _ value: Value) throws(TemplateFault) {
    switch target {
    case .name(let name): assign(name, value)
    case .namespaceAttribute(let name, let attribute):
      guard case .namespace(let number) = self.value(of: name) else {
        throw TemplateFault("'\(program.names[name])' is not a namespace, so its attributes cannot be set.")
      }
      try setNamespaceAttribute(number, attribute, value)
    case .tuple(let targets):
      let values = try elements(of: value)
      guard values.count == targets.count else {
        throw TemplateFault("\(values.count) values cannot be assigned to \(targets.count) names.")
      }
      for (target, value) in zip(targets, values) { try assign(target, value) }
    }
  }

  mutating func setNamespaceAttribute(
    _ number: Int, _ name: String, _ value: Value
  ) throws(TemplateFault) {
    guard !name.hasPrefix("_") else {
      throw TemplateFault("the attribute '\(name)' of a namespace must not start with an underscore.")
    }
    try namespaces[number].set(name, to: value)
  }

  // MARK: Loops

  private mutating func runLoop(_ loop: TemplateLoop) throws(TemplateFault) -> Flow {
    let items = try filteredItems(of: loop)
    loopCount += 1
    loops.append(LoopState(number: loopCount, items: items))
    let loopValue = Value.loop(loopCount)
    let loopName = program.loopName
    var finishedATurn = false
    turns: for index in items.indices {
      loops[loops.count - 1].index = index
      let flow = try inScope { (run) throws(TemplateFault) in
        if let loopName { run.assign(loopName, loopValue) }
        try run.assign(loop.target, items[index])
        return try run.run(loop.body)
      }
      switch flow {
      case .next: finishedATurn = true
      case .nextIteration: continue turns
      case .leaveLoop: break turns
      }
    }
    loops.removeLast()
    // As in Jinja, a loop whose every turn was cut short counts as one without items.
    guard !finishedATurn else { return .next }
    return try inScope { (run) throws(TemplateFault) in try run.run(loop.otherwise) }
  }

  private mutating func filteredItems(of loop: TemplateLoop) throws(TemplateFault) -> [Value] {
    let items = try elements(of: try evaluate(loop.items))
    guard let filter = loop.filter else { return items }
    var kept: [Value] = []
    for item in items {
      let keeps = try inScope { (run) throws(TemplateFault) in
        try run.assign(loop.target, item)
        return try run.evaluate(filter).isTrue
      }
      if keeps { kept.append(item) }
    }
    return kept
  }

  /// A member of a loop's `loop`, or nil if there is none of that name.
  func loopAttribute(_ number: Int, _ name: String) -> Value? {
    guard let loop = loops.last(where: { $0.number == number }) else { return nil }
    let (index, count) = (loop.index, loop.items.count)
    switch name {
    case "index": return .int(index + 1)
    case "index0": return .int(index)
    case "revindex": return .int(count - index)
    case "revindex0": return .int(count - index - 1)
    case "first": return .bool(index == 0)
    case "last": return .bool(index == count - 1)
    case "length": return .int(count)
    case "depth": return .int(1)
    case "depth0": return .int(0)
    case "previtem":
      return index > 0 ? loop.items[index - 1] : .undefined(.other("there is no previous item."))
    case "nextitem":
      return index + 1 < count ? loop.items[index + 1] : .undefined(.other("there is no next item."))
    default: return nil
    }
  }

  func loopLength(_ number: Int) -> Int { loops.last { $0.number == number }?.items.count ?? 0 }

  /// `loop.changed`: whether the values differ from those of the last time.
  mutating func loopChanged(_ number: Int, _ values: [Value]) throws(TemplateFault) -> Bool {
    guard let place = loops.lastIndex(where: { $0.number == number }) else { return true }
    let new = Value.list(try Items(values))
    if let old = loops[place].changed, try new.equals(.list(try Items(old)), &budget) { return false }
    loops[place].changed = values
    return true
  }

  // MARK: Macros and iterators

  private mutating func define(_ macro: TemplateMacro) -> Value {
    macros.append((macro, currentScope))
    keptScopes = scopes.count
    return .macro(macros.count - 1)
  }

  func macro(_ number: Int) -> TemplateMacro { macros[number].macro }

  private mutating func runCallBlock(
    _ caller: TemplateMacro, _ call: TemplateExpression
  ) throws(TemplateFault) {
    guard case .postfix(let base, var uses) = call, case .call(let arguments) = uses.popLast() else { return }
    let function = try evaluate(uses.isEmpty ? base : .postfix(base, uses))
    var values = try evaluate(arguments)
    values.named.append(("caller", define(caller)))
    try write(try text(of: try self.call(function, values)))
  }

  mutating func callMacro(_ number: Int, _ arguments: CallArguments) throws(TemplateFault) -> Value {
    let (macro, scope) = macros[number]
    let callLine = line
    let text = try capture { (run) throws(TemplateFault) in
      try run.inScope(of: scope) { (run) throws(TemplateFault) in
        try run.bind(arguments, to: macro)
        _ = try run.run(macro.body)
      }
    }
    line = callLine
    return .string(text)
  }

  /// A new iterator over the values.
  mutating func iterator(_ values: [Value]) throws(TemplateFault) -> Value {
    try budget.spend(elements: values.count)
    _ = try Items(values)
    iterators.append(values)
    return .iterator(iterators.count - 1)
  }

  /// All values that an iterator still has: it has none afterwards.
  mutating func drain(_ number: Int) -> [Value] {
    var values: [Value] = []
    swap(&values, &iterators[number])
    return values
  }

  /// The next value of an iterator.
  mutating func next(_ number: Int) throws(TemplateFault) -> Value? {
    try budget.spend(1 + iterators[number].count / 16)
    return iterators[number].isEmpty ? nil : iterators[number].removeFirst()
  }
}
