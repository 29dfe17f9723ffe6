/// Texts with fields to fill in: `"%s" % value` and `"{}".format(value)`.
extension TemplateInterpreter {
  /// Python's `pattern % values`.
  mutating func formatted(_ pattern: String, _ values: Value) throws(TemplateFault) -> Value {
    var rest = Array(pattern.unicodeScalars)[...]
    try budget.spend(elements: rest.count)
    var result = String.UnicodeScalarView()
    var next = 0
    var positional = [values]
    if case .tuple(let items) = values { positional = items.elements }
    while let scalar = rest.popFirst() {
      guard scalar == "%" else {
        result.append(scalar)
        continue
      }
      let key = try fieldKey(&rest)
      let field = try TextField(percent: &rest)
      if field.kind == "%" {
        result.append("%")
        continue
      }
      let value: Value
      if let key {
        guard case .dictionary(let members) = values, let member = members[key] else {
          throw TemplateFault("there is no value called '\(key)' to fill in.")
        }
        value = member
        next = positional.count
      } else {
        guard next < positional.count else { throw TemplateFault("there are too few values to fill in.") }
        value = positional[next]
        next += 1
      }
      result.append(contentsOf: try percentField(field, value).unicodeScalars)
      try budget.spend(bytes: result.count)
    }
    // Only a tuple or a single value must be used up; Python takes whatever has items for a mapping.
    switch values {
    case .dictionary, .list, .range: break
    default:
      guard next == positional.count else {
        throw TemplateFault("there are more values than fields to fill in.")
      }
    }
    return .string(String(result))
  }

  private func fieldKey(_ rest: inout ArraySlice<Unicode.Scalar>) throws(TemplateFault) -> String? {
    guard rest.first == "(" else { return nil }
    guard let end = rest.firstIndex(of: ")") else {
      throw TemplateFault("the name of a field is not closed.")
    }
    let key = String(rest[rest.startIndex..<end].dropFirst())
    rest = rest[(end + 1)...]
    return key
  }

  private mutating func percentField(_ field: TextField, _ value: Value) throws(TemplateFault) -> String {
    switch field.kind {
    case "s": return field.fit(text: try text(of: value))
    case "r", "a": return field.fit(text: try ValueWriter.representation(of: value, &budget))
    case "c": return field.fit(text: try characterOrText(value))
    case "d", "i", "u":
      if let number = value.asInt { return field.fit(integer: number) }
      if case .double(let number) = value, let whole = Int(exactly: number.rounded(.towardZero)) {
        return field.fit(integer: whole)
      }
    default:
      if let text = numberField(field, value) { return text }
    }
    try value.checkDefined()
    throw TemplateFault("a '\(value.typeName)' cannot fill in a field '%\(field.kind?.text ?? "")'.")
  }

  private func numberField(_ field: TextField, _ value: Value) -> String? {
    switch (field.kind, value.asInt, value.asDouble) {
    case ("x", let number?, _): field.fit(integer: number, radix: 16, prefix: "0x")
    case ("X", let number?, _): field.fit(integer: number, radix: 16, prefix: "0X", isUppercase: true)
    case ("o", let number?, _): field.fit(integer: number, radix: 8, prefix: "0o")
    case ("f", _, let number?), ("F", _, let number?): field.fit(fixed: number)
    default: nil
    }
  }

  private mutating func characterOrText(_ value: Value) throws(TemplateFault) -> String {
    guard let code = value.asInt else { return try text(of: value) }
    guard let code = UInt32(exactly: code), let scalar = Unicode.Scalar(code) else {
      throw TemplateFault("\(code) is no character.")
    }
    return scalar.text
  }

  // MARK: Braces

  /// Python's `pattern.format(arguments)`.
  mutating func formatted(_ pattern: String, _ arguments: CallArguments) throws(TemplateFault) -> Value {
    var rest = Array(pattern.unicodeScalars)[...]
    try budget.spend(elements: rest.count)
    var result = String.UnicodeScalarView()
    var next = 0
    while let scalar = rest.popFirst() {
      guard scalar == "{" || scalar == "}" else {
        result.append(scalar)
        continue
      }
      if rest.first == scalar {
        result.append(scalar)
        rest.removeFirst()
        continue
      }
      guard scalar == "{", let end = rest.firstIndex(of: "}") else {
        throw TemplateFault("a brace of a text that is to be filled in has no partner.")
      }
      let field = String(rest[rest.startIndex..<end])
      rest = rest[(end + 1)...]
      result.append(contentsOf: try bracesField(field, arguments, &next).unicodeScalars)
      try budget.spend(bytes: result.count)
    }
    return .string(String(result))
  }

  private mutating func bracesField(
    _ field: String, _ arguments: CallArguments, _ next: inout Int
  ) throws(TemplateFault) -> String {
    guard !field.unicodeScalars.contains("{") else { throw TemplateFault("a field holds another field.") }
    let parts = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let names = parts[0].split(separator: "!", maxSplits: 1, omittingEmptySubsequences: false)
    var value = try fieldValue(String(names[0]), arguments, &next)
    if names.count > 1 {
      let isLiteral = names[1] == "r" || names[1] == "a"
      value = .string(
        try isLiteral ? ValueWriter.representation(of: value, &budget) : text(of: value))
    }
    guard parts.count > 1, !parts[1].isEmpty else { return try text(of: value) }
    let specification = try TextField(braces: String(parts[1]))
    switch (value, specification.kind) {
    case (.string(let text), nil), (.string(let text), "s"): return specification.fit(text: text)
    case (_, "d"), (_, nil):
      if let number = value.asInt { return specification.fit(integer: number) }
      if case .double(let number) = value {
        guard specification.precision == nil else { break }
        return specification.fit(text: number.pythonText)
      }
    case (_, "%"):
      if let number = value.asDouble { return specification.fit(fixed: number * 100, suffix: "%") }
    default:
      if let text = numberField(specification, value) { return text }
    }
    try value.checkDefined()
    throw TemplateFault("a '\(value.typeName)' cannot fill in a field '{:\(parts[1])}'.")
  }

  /// The value that a field names: by nothing, by a number or by a name, and then by attributes and items.
  private mutating func fieldValue(
    _ path: String, _ arguments: CallArguments, _ next: inout Int
  ) throws(TemplateFault) -> Value {
    let first = path.prefix { $0 != "." && $0 != "[" }
    var value: Value
    if first.isEmpty || Int(first) != nil {
      let index = Int(first) ?? next
      if first.isEmpty { next += 1 }
      guard arguments.positional.indices.contains(index) else {
        throw TemplateFault("there are too few values to fill in.")
      }
      value = arguments.positional[index]
    } else {
      guard let named = arguments.named.first(where: { $0.name == first }) else {
        throw TemplateFault("there is no value called '\(first)' to fill in.")
      }
      value = named.value
    }
    var rest = path.dropFirst(first.count)
    while let mark = rest.popFirst() {
      let name = String(rest.prefix { $0 != "." && $0 != "[" && $0 != "]" })
      rest = rest.dropFirst(name.count)
      if mark == "." {
        value = try attribute(name, of: value)
      } else {
        guard rest.popFirst() == "]" else { throw TemplateFault("a bracket in a field is not closed.") }
        value = try item(Int(name).map(Value.int) ?? .string(name), of: value)
      }
    }
    return value
  }
}
