extension TemplateInterpreter {
  mutating func numberFilter(
    _ name: String, _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    try value.checkDefined()
    switch name {
    case "abs":
      if let number = value.asInt, number != .min { return .int(abs(number)) }
      if case .double(let number) = value { return .double(abs(number)) }
      throw TemplateFault("'\(value.typeName)' has no absolute value.")
    case "round": return try rounded(value, arguments)
    case "float":
      let standard = try arguments.bound("default", to: name)[0] ?? .double(0)
      return parsedDouble(value).map(Value.double) ?? standard
    default:
      let values = try arguments.bound("default", "base", to: name)
      return try int(value, base: try values[1].int(name, or: 10)) ?? values[0] ?? .int(0)
    }
  }

  private func parsedDouble(_ value: Value) -> Double? {
    guard case .string(let text) = value else { return value.asDouble }
    let stripped = text.pythonStripped(nil).pythonLower
    let unsigned = stripped.drop { $0 == "+" || $0 == "-" }
    guard
      ["inf", "infinity", "nan"].contains(String(unsigned))
        || unsigned.allSatisfy({ "0123456789._e+-".contains($0) })
    else { return nil }
    return stripped.withoutDigitSeparators.flatMap { Double($0) }
  }

  private func int(_ value: Value, base: Int) throws(TemplateFault) -> Value? {
    if case .string(let text) = value, let number = try parsedInt(text, base: base) { return .int(number) }
    if let number = value.asInt { return .int(number) }
    guard let number = parsedDouble(value) else { return nil }
    if number.isNaN { return nil }
    guard let whole = Int(exactly: number.rounded(.towardZero)) else {
      if case .string = value, number.isInfinite { return nil }
      throw TemplateFault("a number does not fit in 64 bits.")
    }
    return .int(whole)
  }

  private func parsedInt(_ text: String, base: Int) throws(TemplateFault) -> Int? {
    guard (2...36).contains(base) || base == 0 else {
      throw TemplateFault("'int' needs a base from 2 to 36.")
    }
    var digits = text.pythonStripped(nil).pythonLower
    let sign = digits.hasPrefix("-") ? "-" : ""
    if digits.hasPrefix("-") || digits.hasPrefix("+") { digits.removeFirst() }
    var radix = base == 0 ? 10 : base
    for (prefix, value) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.hasPrefix(prefix) {
      if base == 0 || base == value {
        digits.removeFirst(2)
        radix = value
        if digits.hasPrefix("_") { digits.removeFirst() }
      }
    }
    guard digits.first.map({ $0 != "-" && $0 != "+" }) ?? false else { return nil }
    return digits.withoutDigitSeparators.flatMap { Int(sign + $0, radix: radix) }
  }

  private func rounded(_ value: Value, _ arguments: CallArguments) throws(TemplateFault) -> Value {
    let values = try arguments.bound("precision", "method", to: "round")
    let precision = try values[0].int("round", or: 0)
    let method = try (values[1] ?? .string("common")).checkedText("round")
    guard let number = value.asDouble, abs(precision) <= 300 else {
      throw TemplateFault("'\(value.typeName)' cannot be rounded.")
    }
    if method == "common" {
      if let whole = value.asInt, precision >= 0 { return .int(whole) }
      let scale = Double.power(10, Double(-precision)) ?? 1
      let result =
        precision < 0
        ? (number / scale).rounded(.toNearestOrEven) * scale
        : number.isFinite
          ? (Double(number.magnitude.fixed(decimals: precision)) ?? 0) * (number.sign == .minus ? -1 : 1)
          : number
      return value.asInt == nil ? .double(result) : .int(Int(exactly: result) ?? 0)
    }
    guard method == "ceil" || method == "floor" else {
      throw TemplateFault("'round' has no method '\(method)'.")
    }
    let scale = Double.power(10, Double(precision)) ?? 1
    return .double((number * scale).rounded(method == "ceil" ? .up : .down) / scale)
  }
}

extension Value {
  fileprivate func checkedText(_ function: String) throws(TemplateFault) -> String {
    try Optional(self).string(function)
  }
}

extension String {
  /// Digits without the single underscores between them; nil if an underscore stands elsewhere.
  fileprivate var withoutDigitSeparators: String? {
    guard contains("_") else { return self }
    guard !hasPrefix("_"), !hasSuffix("_"), utf8Offset(of: "__") == nil else { return nil }
    return filter { $0 != "_" }
  }
}
