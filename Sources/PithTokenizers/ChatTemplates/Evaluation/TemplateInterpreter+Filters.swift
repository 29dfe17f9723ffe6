extension TemplateInterpreter {
  /// The names of all filters, for `is filter`.
  static let filterNames: Set<String> = [
    "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape",
    "first",
    "float", "forceescape", "format", "indent", "int", "items", "join", "last", "length", "list", "lower",
    "map",
    "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr",
    "sort",
    "string", "sum", "title", "tojson", "trim", "unique", "upper", "wordcount",
  ]

  /// `value | name(arguments)`.
  mutating func filter(
    _ name: String, _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    try budget.spend()
    switch name {
    case "default", "d":
      let values = try arguments.bound("default_value", "boolean", to: name)
      let replacesFalse = values[1]?.isTrue ?? false
      let isReplaced = value.isUndefined || replacesFalse && !value.isTrue
      return isReplaced ? values[0] ?? .emptyText : value
    case "upper", "lower", "capitalize", "title", "trim", "string", "safe", "escape", "e", "forceescape",
      "replace",
      "indent", "center", "wordcount", "format":
      return try textFilter(name, value, arguments)
    case "abs", "round", "int", "float": return try numberFilter(name, value, arguments)
    case "map", "select", "reject", "selectattr", "rejectattr", "sort", "unique", "min", "max", "sum":
      return try elementFilter(name, value, arguments)
    case "tojson": return .string(try json(value, arguments))
    default: return try sequenceFilter(name, value, arguments)
    }
  }

  private mutating func json(_ value: Value, _ arguments: CallArguments) throws(TemplateFault) -> String {
    let values = try arguments.bound("ensure_ascii", "indent", "separators", "sort_keys", to: "tojson")
    var style = ValueJSONWriter.Style()
    style.escapesNonASCII = values[0]?.isTrue ?? false
    style.sortsKeys = values[3]?.isTrue ?? false
    if case .string(let indent)? = values[1] {
      style.indent = indent
    } else if let indent = values[1].unlessNull {
      let width = try Optional(indent).int("tojson")
      guard width <= 4096 else { throw TemplateFault("the indentation of JSON is too wide.") }
      style.indent = String(repeating: " ", count: max(0, width))
    }
    if style.indent != nil { style.itemSeparator = "," }
    if let separators = values[2].unlessNull {
      let pair = try elements(of: separators)
      guard pair.count == 2 else { throw TemplateFault("'tojson' needs two separators.") }
      style.itemSeparator = try Optional(pair[0]).string("tojson")
      style.keySeparator = try Optional(pair[1]).string("tojson")
    }
    return try ValueJSONWriter.text(of: value, style, &budget)
  }

  // MARK: Texts

  private mutating func textFilter(
    _ name: String, _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    if name == "indent" { return .string(try indented(value, arguments)) }
    let text = try self.text(of: value)
    try budget.spend(bytes: text.utf8.count)
    switch name {
    case "trim":
      let characters = try arguments.bound("chars", to: name)[0].unlessNull
      guard let characters else { return .string(text.pythonStripped(nil)) }
      return .string(text.pythonStripped(try Optional(characters).string(name)))
    case "replace":
      let values = try arguments.bound("old", "new", "count", to: name)
      let old = try self.text(of: try values[0].required(name))
      let new = try self.text(of: try values[1].required(name))
      return .string(try replaced(text, old, new, try values[2].unlessNull.int(name, or: -1)))
    case "center":
      return try callStringMethod(
        text, name,
        arguments.positional.isEmpty && arguments.named.isEmpty
          ? CallArguments(positional: [.int(80)]) : arguments)
    case "format":
      guard arguments.named.isEmpty else {
        guard arguments.positional.isEmpty else {
          throw TemplateFault("'format' mixes two kinds of arguments.")
        }
        var members = ValueDictionary()
        for (name, value) in arguments.named { try members.set(name, to: value) }
        return try formatted(text, .dictionary(members))
      }
      return try formatted(text, .tuple(try Items(arguments.positional)))
    default: break
    }
    _ = try arguments.bound(to: name)
    switch name {
    case "upper": return .string(text.pythonUpper)
    case "lower": return .string(text.pythonLower)
    case "capitalize": return .string(text.pythonCapitalized)
    case "title": return .string(titled(text))
    case "wordcount": return .int(wordCount(text))
    case "escape", "e", "forceescape": return .string(escaped(text))
    default: return .string(text)
    }
  }

  private func escaped(_ text: String) -> String {
    let codes: [Unicode.Scalar: String] = [
      "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", "\"": "&#34;",
    ]
    return text.unicodeScalars.reduce(into: "") { $0 += codes[$1] ?? $1.text }
  }

  /// The first letter of each word in upper case and the others in lower case.
  private func titled(_ text: String) -> String {
    var (result, word) = ("", String.UnicodeScalarView())
    func flush() {
      guard let first = word.first else { return }
      result += first.text.pythonUpper + String(word.dropFirst()).pythonLower
      word = String.UnicodeScalarView()
    }
    for scalar in text.unicodeScalars {
      if scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar) {
        flush()
        result.unicodeScalars.append(scalar)
      } else {
        word.append(scalar)
      }
    }
    flush()
    return result
  }

  private func wordCount(_ text: String) -> Int {
    var (count, isInWord) = (0, false)
    for scalar in text.unicodeScalars {
      let belongs = scalar == "_" || (TemplateStringMethods.answer("isalnum", scalar.text) ?? false)
      if belongs, !isInWord { count += 1 }
      isInWord = belongs
    }
    return count
  }

  private mutating func indented(_ value: Value, _ arguments: CallArguments) throws(TemplateFault) -> String {
    let text = try Optional(value).string("indent")
    let values = try arguments.bound("width", "first", "blank", to: "indent")
    let indent: String
    if case .string(let text)? = values[0] {
      indent = text
    } else {
      let width = try values[0].int("indent", or: 4)
      guard width <= 4096 else { throw TemplateFault("'indent' is too wide.") }
      indent = String(repeating: " ", count: max(0, width))
    }
    let indentsBlank = values[2]?.isTrue ?? false
    let lines = (text + "\n").pythonLines
    try budget.spend(bytes: text.utf8.count + lines.count * min(indent.utf8.count, TemplateLimits.textBytes))
    var result = values[1]?.isTrue == true ? indent : ""
    for (index, line) in lines.enumerated() {
      if index > 0 { result += "\n" + (indentsBlank || !line.isEmpty ? indent : "") }
      result += line
    }
    return result
  }
}
