/// Writes values as Python's `str` and `repr` do.
struct ValueWriter {
  private(set) var text = ""
  private var budget: TemplateBudget
  /// The elements of iterators, namespaces and so on print as little more than their kind.
  init(_ budget: TemplateBudget) { self.budget = budget }

  /// `str(value)`.
  static func text(of value: Value, _ budget: inout TemplateBudget) throws(TemplateFault) -> String {
    switch value {
    case .string(let text): return text
    case .undefined: return ""
    default: return try representation(of: value, &budget)
    }
  }

  /// `repr(value)`.
  static func representation(of value: Value, _ budget: inout TemplateBudget) throws(TemplateFault) -> String
  {
    var writer = ValueWriter(budget)
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
    case .undefined: try append("Undefined")
    case .null: try append("None")
    case .bool(let value): try append(value ? "True" : "False")
    case .int(let value): try append(String(value))
    case .double(let value): try append(value.pythonText)
    case .string(let value): try append(value.pythonRepresentation)
    case .list(let items): try write(items.elements, open: "[", close: "]")
    case .tuple(let items):
      try write(items.elements, open: "(", close: items.elements.count == 1 ? ",)" : ")")
    case .dictionary(let dictionary): try write(dictionary)
    case .view(let kind, let items): try write(items.elements, open: "dict_\(kind.rawValue)([", close: "])")
    case .range(let range):
      let step = range.step == 1 ? "" : ", \(range.step)"
      try append("range(\(range.start), \(range.stop)\(step))")
    case .iterator, .namespace, .loop, .macro, .function, .method: try append("<\(value.typeName) object>")
    }
  }

  private mutating func write(_ elements: [Value], open: String, close: String) throws(TemplateFault) {
    try append(open)
    for (index, element) in elements.enumerated() {
      if index > 0 { try append(", ") }
      try write(element)
    }
    try append(close)
  }

  private mutating func write(_ dictionary: ValueDictionary) throws(TemplateFault) {
    try append("{")
    for index in 0..<dictionary.count {
      if index > 0 { try append(", ") }
      try write(dictionary.keys[index])
      try append(": ")
      try write(dictionary.values[index])
    }
    try append("}")
  }
}

extension String {
  /// The text between quotes, as Python's `repr` writes it.
  var pythonRepresentation: String {
    let quote: Unicode.Scalar = unicodeScalars.contains("'") && !unicodeScalars.contains("\"") ? "\"" : "'"
    var result = String.UnicodeScalarView()
    result.append(quote)
    for scalar in unicodeScalars {
      switch scalar {
      case "\\", quote: result.append(contentsOf: ["\\", scalar])
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      case _ where scalar.isPythonPrintable: result.append(scalar)
      default: result.append(contentsOf: scalar.pythonEscape.unicodeScalars)
      }
    }
    result.append(quote)
    return String(result)
  }
}

extension Unicode.Scalar {
  fileprivate var isPythonPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: self == " "
    default: true
    }
  }

  fileprivate var pythonEscape: String {
    let code = String(value, radix: 16)
    let (prefix, width) = value < 0x100 ? ("\\x", 2) : value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
    return prefix + String(repeating: "0", count: width - code.count) + code
  }
}

extension Double {
  /// The shortest text that reads back as this number, in Python's notation.
  var pythonText: String {
    if isNaN { return "nan" }
    if isInfinite { return self < 0 ? "-inf" : "inf" }
    if self == 0 { return sign == .minus ? "-0.0" : "0.0" }
    let (digits, exponent) = magnitude.shortestDigits
    let sign = self < 0 ? "-" : ""
    if exponent < -4 || exponent >= 16 {
      let fraction = digits.dropFirst()
      let power = abs(exponent) < 10 ? "0\(abs(exponent))" : "\(abs(exponent))"
      let mantissa = fraction.isEmpty ? digits : digits.prefix(1) + "." + fraction
      return "\(sign)\(mantissa)e\(exponent < 0 ? "-" : "+")\(power)"
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    let padded = digits + String(repeating: "0", count: max(0, exponent + 1 - digits.count))
    let fraction = padded.dropFirst(exponent + 1)
    return sign + padded.prefix(exponent + 1) + "." + (fraction.isEmpty ? "0" : fraction)
  }

  /// The fewest digits that tell a positive number from its neighbours, and the power of ten of the first.
  private var shortestDigits: (digits: String, exponent: Int) {
    let parts = description.split(separator: "e")
    var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let halves = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var digits = String(halves[0]) + (halves.count > 1 ? String(halves[1]) : "")
    exponent += halves[0].count - 1
    while digits.hasPrefix("0"), digits.count > 1 {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
    return (digits, exponent)
  }
}
