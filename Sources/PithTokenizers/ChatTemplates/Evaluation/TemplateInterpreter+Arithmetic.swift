extension TemplateInterpreter {
  /// `left operation right`, as Python calculates.
  mutating func calculate(
    _ left: Value, _ operation: ArithmeticOperator, _ right: Value
  ) throws(TemplateFault) -> Value {
    try left.checkDefined()
    if case .string(let pattern) = left, operation == .modulo { return try formatted(pattern, right) }
    try right.checkDefined()
    if let a = left.asInt, let b = right.asInt { return try integers(a, operation, b) }
    if let a = left.asDouble, let b = right.asDouble { return .double(try doubles(a, operation, b)) }
    switch (left, operation, right) {
    case (.string(let a), .add, .string(let b)):
      try budget.spend(bytes: a.utf8.count + b.utf8.count)
      return .string(a + b)
    case (.list(let a), .add, .list(let b)):
      try budget.spend(elements: a.elements.count + b.elements.count)
      return .list(try Items(a.elements + b.elements))
    case (.tuple(let a), .add, .tuple(let b)):
      try budget.spend(elements: a.elements.count + b.elements.count)
      return .tuple(try Items(a.elements + b.elements))
    case (_, .multiply, _):
      if let count = right.asInt, let result = try repeated(left, count) { return result }
      if let count = left.asInt, let result = try repeated(right, count) { return result }
      fallthrough
    default:
      throw TemplateFault(
        "'\(left.typeName)' and '\(right.typeName)' cannot be combined with '\(operation.symbol)'.")
    }
  }

  private mutating func repeated(_ value: Value, _ count: Int) throws(TemplateFault) -> Value? {
    let count = max(0, count)
    switch value {
    case .string(let text):
      let (bytes, overflows) = text.utf8.count.multipliedReportingOverflow(by: count)
      try budget.spend(bytes: overflows ? .max : bytes)
      return .string(bytes == 0 ? "" : String(repeating: text, count: count))
    case .list(let items): return .list(try Items(try repeated(items.elements, count)))
    case .tuple(let items): return .tuple(try Items(try repeated(items.elements, count)))
    default: return nil
    }
  }

  private mutating func repeated(_ elements: [Value], _ count: Int) throws(TemplateFault) -> [Value] {
    let (total, overflows) = elements.count.multipliedReportingOverflow(by: count)
    try budget.spend(elements: overflows ? .max : total)
    return total == 0 ? [] : Array(repeatElement(elements, count: count).joined())
  }

  private func integers(_ a: Int, _ operation: ArithmeticOperator, _ b: Int) throws(TemplateFault) -> Value {
    let result: (partialValue: Int, overflow: Bool)
    switch operation {
    case .add: result = a.addingReportingOverflow(b)
    case .subtract: result = a.subtractingReportingOverflow(b)
    case .multiply: result = a.multipliedReportingOverflow(by: b)
    case .power where b >= 0: return .int(try power(a, b))
    case .divide, .power: return .double(try doubles(Double(a), operation, Double(b)))
    case .floorDivide, .modulo:
      guard b != 0 else { throw TemplateFault("division by zero.") }
      guard b != -1 else { return operation == .modulo ? .int(0) : try integers(a, .multiply, -1) }
      // Python rounds towards minus infinity, and the remainder has the sign of the divisor.
      let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
      let isShifted = remainder != 0 && (remainder < 0) != (b < 0)
      if operation == .modulo { return .int(isShifted ? remainder + b : remainder) }
      return .int(isShifted ? quotient - 1 : quotient)
    }
    guard !result.overflow else { throw TemplateFault.tooLarge }
    return .int(result.partialValue)
  }

  private func power(_ base: Int, _ exponent: Int) throws(TemplateFault) -> Int {
    var (result, factor, rest) = (1, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 {
        let (product, overflows) = result.multipliedReportingOverflow(by: factor)
        guard !overflows else { throw TemplateFault.tooLarge }
        result = product
      }
      rest >>= 1
      guard rest > 0 else { break }
      let (square, overflows) = factor.multipliedReportingOverflow(by: factor)
      guard !overflows else { throw TemplateFault.tooLarge }
      factor = square
    }
    return result
  }

  private func doubles(_ a: Double, _ operation: ArithmeticOperator, _ b: Double) throws(TemplateFault)
    -> Double
  {
    switch operation {
    case .add: return a + b
    case .subtract: return a - b
    case .multiply: return a * b
    case .power:
      guard a != 0 || b >= 0 else { throw TemplateFault("zero cannot be raised to a negative power.") }
      guard let result = Double.power(a, b) else { throw TemplateFault("a power is no real number.") }
      return result
    case .divide, .floorDivide, .modulo:
      guard b != 0 else { throw TemplateFault("division by zero.") }
      if operation == .divide { return a / b }
      let remainder = a.truncatingRemainder(dividingBy: b)
      let modulus = remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder
      return operation == .modulo ? modulus : ((a - modulus) / b).rounded()
    }
  }
}

extension ArithmeticOperator {
  var symbol: String {
    switch self {
    case .add: "+"
    case .subtract: "-"
    case .multiply: "*"
    case .divide: "/"
    case .floorDivide: "//"
    case .modulo: "%"
    case .power: "**"
    }
  }
}

extension Value {
  func negated() throws(TemplateFault) -> Value {
    try checkDefined()
    if let number = asInt {
      guard number != .min else { throw TemplateFault.tooLarge }
      return .int(-number)
    }
    if case .double(let number) = self { return .double(-number) }
    throw TemplateFault("'\(typeName)' cannot be negated.")
  }

  func affirmed() throws(TemplateFault) -> Value {
    try checkDefined()
    if let number = asInt { return .int(number) }
    if case .double = self { return self }
    throw TemplateFault("'\(typeName)' is no number.")
  }
}

extension TemplateFault {
  fileprivate static let tooLarge = TemplateFault("a whole number does not fit in 64 bits.")
}
