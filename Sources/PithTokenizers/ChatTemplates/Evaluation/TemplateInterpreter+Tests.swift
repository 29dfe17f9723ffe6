extension TemplateInterpreter {
  /// The names of all tests, for `is test`.
  private static let testNames: Set<String> = [
    "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string",
    "mapping",
    "sequence", "iterable", "callable", "lower", "upper", "odd", "even", "divisibleby", "in", "sameas",
    "escaped",
    "filter", "test", "eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le", "<=", "gt",
    "greaterthan",
    ">", "ge", ">=",
  ]

  /// `value is name(arguments)`.
  mutating func test(
    _ name: String, _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Bool {
    if let operation = TemplateInterpreter.comparison(name) {
      let other = try arguments.bound("other", to: name)[0].required(name)
      return try compare(value, operation, other)
    }
    switch name {
    case "divisibleby":
      let divisor = try arguments.bound("num", to: name)[0].required(name)
      return try calculate(value, .modulo, divisor).equals(.int(0), &budget)
    case "sameas":
      let other = try arguments.bound("other", to: name)[0].required(name)
      let isEqual = try value.equals(other, &budget)
      return isEqual && value.typeName == other.typeName
    default: break
    }
    _ = try arguments.bound(to: name)
    if let answer = try typeTest(name, value) { return answer }
    switch name {
    case "odd": return try calculate(value, .modulo, .int(2)).equals(.int(1), &budget)
    case "even": return try calculate(value, .modulo, .int(2)).equals(.int(0), &budget)
    case "lower", "upper":
      let text = try text(of: try paid(key: value))
      return TemplateStringMethods.answer("is" + name, text) ?? false
    case "filter": return TemplateInterpreter.filterNames.contains(try Optional(value).string(name))
    case "test": return TemplateInterpreter.testNames.contains(try Optional(value).string(name))
    default: throw TemplateFault("there is no test called '\(name)'.")
    }
  }

  private static func comparison(_ name: String) -> ComparisonOperator? {
    switch name {
    case "eq", "equalto", "==": .equal
    case "ne", "!=": .notEqual
    case "lt", "lessthan", "<": .less
    case "le", "<=": .lessOrEqual
    case "gt", "greaterthan", ">": .greater
    case "ge", ">=": .greaterOrEqual
    case "in": .isIn
    default: nil
    }
  }

  /// The tests that only look at what kind of value it is.
  private func typeTest(_ name: String, _ value: Value) throws(TemplateFault) -> Bool? {
    switch (name, value) {
    case ("defined", _): !value.isUndefined
    case ("undefined", _): value.isUndefined
    case ("none", .null), ("boolean", .bool), ("integer", .int), ("float", .double), ("string", .string): true
    case ("mapping", .dictionary): true
    case ("true", .bool(let value)): value
    case ("false", .bool(let value)): !value
    case ("number", _): value.asDouble != nil
    case ("callable", _): value.isCallable
    case ("sequence", .undefined), ("sequence", .string), ("sequence", .list), ("sequence", .tuple),
      ("sequence", .dictionary), ("sequence", .range):
      true
    case ("iterable", .undefined), ("iterable", .string), ("iterable", .list), ("iterable", .tuple),
      ("iterable", .dictionary), ("iterable", .range), ("iterable", .view), ("iterable", .iterator),
      ("iterable", .loop):
      true
    case ("none", _), ("boolean", _), ("integer", _), ("float", _), ("string", _), ("mapping", _),
      ("true", _),
      ("false", _), ("sequence", _), ("iterable", _), ("escaped", _):
      false
    default: nil
    }
  }
}
