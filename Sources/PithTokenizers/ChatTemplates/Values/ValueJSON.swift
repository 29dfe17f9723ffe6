/// Writes values as Python's `json.dumps` does, for the filter `tojson`.
struct ValueJSONWriter {
  struct Style {
    /// What one level of nesting is indented by; without it everything stands on one line.
    var indent: String?
    var itemSeparator = ", "
    var keySeparator = ": "
    var escapesNonASCII = false
    var sortsKeys = false
  }

  private let style: Style
  private var text = ""
  private var budget: TemplateBudget
  private var level = 0

  private init(_ style: Style, _ budget: TemplateBudget) {
    self.style = style
    self.budget = budget
  }

  static func text(
    of value: Value, _ style: Style, _ budget: inout TemplateBudget
  ) throws(TemplateFault) -> String {
    var writer = ValueJSONWriter(style, budget)
    try writer.write(value)
    budget = writer.budget
    return writer.text
  }

  private mutating func append(_ piece: String) throws(TemplateFault) {
    try budget.spend(bytes: piece.utf8.count)
    text += piece
    guard text.utf8.count <= TemplateLimits.textBytes else {
      throw TemplateFault("a text would be longer than \(TemplateLimits.textBytes) bytes.")
    }
  }

  private mutating func write(_ value: Value) throws(TemplateFault) {
    switch value {
    case .string(let text): try append(quoted(text))
    case .list(let items), .tuple(let items):
      try writeContainer("[", "]", items.elements.count) { (writer, index) throws(TemplateFault) in
        try writer.write(items.elements[index])
      }
    case .dictionary(let dictionary):
      let order = try order(of: dictionary)
      try writeContainer("{", "}", dictionary.count) { (writer, index) throws(TemplateFault) in
        let place = order[index]
        try writer.append(
          writer.quoted(try writer.keyText(dictionary.keys[place])) + writer.style.keySeparator)
        try writer.write(dictionary.values[place])
      }
    default:
      guard let scalar = scalarText(value) else {
        throw TemplateFault("a value of type '\(value.typeName)' cannot be written as JSON.")
      }
      try append(scalar)
    }
  }

  private mutating func writeContainer(
    _ open: String, _ close: String, _ count: Int,
    _ element: (inout ValueJSONWriter, Int) throws(TemplateFault) -> Void
  ) throws(TemplateFault) {
    guard count > 0 else { return try append(open + close) }
    try append(open)
    level += 1
    for index in 0..<count {
      if index > 0 { try append(style.itemSeparator) }
      try breakLine()
      try element(&self, index)
    }
    level -= 1
    try breakLine()
    try append(close)
  }

  private mutating func breakLine() throws(TemplateFault) {
    guard let indent = style.indent else { return }
    guard indent.utf8.count <= TemplateLimits.textBytes / (level + 1) else {
      throw TemplateFault("the indentation of JSON is too wide.")
    }
    try append("\n" + String(repeating: indent, count: level))
  }

  private mutating func order(of dictionary: ValueDictionary) throws(TemplateFault) -> [Int] {
    guard style.sortsKeys else { return Array(0..<dictionary.count) }
    let pairs = dictionary.keys.enumerated().map { (key: $1, value: Value.int($0)) }
    return try Value.sorted(pairs, descending: false, &budget).compactMap(\.asInt)
  }

  private func keyText(_ key: Value) throws(TemplateFault) -> String {
    if case .string(let text) = key { return text }
    guard let text = scalarText(key) else {
      throw TemplateFault("a key of type '\(key.typeName)' cannot be written as JSON.")
    }
    return text
  }

  private func scalarText(_ value: Value) -> String? {
    switch value {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .int(let value): return String(value)
    case .double(let value):
      return value.isNaN
        ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : value.pythonText
    default: return nil
    }
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case _ where scalar.value < 0x20, _ where style.escapesNonASCII && scalar.value > 0x7E:
        for unit in scalar.text.utf16 {
          let code = String(unit, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
        }
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
