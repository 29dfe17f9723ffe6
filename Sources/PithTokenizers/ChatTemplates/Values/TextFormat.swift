/// One field of a text to be filled in, as `%5.2f` and `{:>5.2f}` describe it.
struct TextField {
  var filler: Unicode.Scalar = " "
  /// `<`, `>`, `^` or, for numbers, `=`, which fills between sign and digits.
  var alignment: Unicode.Scalar?
  /// What stands before a positive number: nothing, `+` or a space.
  var plus = ""
  var showsPrefix = false
  var width = 0
  var precision: Int?
  var groupSeparator: String?
  var kind: Unicode.Scalar?

  private static let widest = 4096

  /// Reads a width or a precision: digits up to a sane limit.
  static func readNumber(_ scalars: inout ArraySlice<Unicode.Scalar>) throws(TemplateFault) -> Int? {
    var number: Int?
    while let scalar = scalars.first, scalar.isDigit {
      number = (number ?? 0) * 10 + Int(scalar.value - 48)
      guard number ?? 0 <= widest else { throw TemplateFault("a field is wider than \(widest).") }
      scalars.removeFirst()
    }
    return number
  }

  /// Reads the part after the colon of a field in braces: `[[fill]align][sign][#][0][width][,][.precision][type]`.
  init(braces specification: String) throws(TemplateFault) {
    var rest = Array(specification.unicodeScalars)[...]
    let alignments: Set<Unicode.Scalar> = ["<", ">", "^", "="]
    if let second = rest.dropFirst().first, alignments.contains(second), let first = rest.first {
      (filler, alignment) = (first, second)
      rest = rest.dropFirst(2)
    } else if let first = rest.first, alignments.contains(first) {
      alignment = first
      rest.removeFirst()
    }
    if let sign = rest.first, "+- ".unicodeScalars.contains(sign) {
      plus = sign == "-" ? "" : sign.text
      rest.removeFirst()
    }
    if rest.first == "#" {
      showsPrefix = true
      rest.removeFirst()
    }
    if rest.first == "0" {
      if alignment == nil { (filler, alignment) = ("0", "=") }
      rest.removeFirst()
    }
    width = try TextField.readNumber(&rest) ?? 0
    if let separator = rest.first, separator == "," || separator == "_" {
      groupSeparator = separator.text
      rest.removeFirst()
    }
    if rest.first == "." {
      rest.removeFirst()
      precision = try TextField.readNumber(&rest) ?? 0
    }
    kind = rest.popFirst()
    guard rest.isEmpty else { throw TemplateFault("'\(specification)' is no format of a field.") }
  }

  /// Reads what follows the `%` of a field: `[flags][width][.precision]type`.
  init(percent rest: inout ArraySlice<Unicode.Scalar>) throws(TemplateFault) {
    alignment = ">"
    while let flag = rest.first, "-+ 0#".unicodeScalars.contains(flag) {
      switch flag {
      case "-": (filler, alignment) = (" ", "<")
      case "0" where alignment != "<": (filler, alignment) = ("0", "=")
      case "+": plus = "+"
      case " " where plus.isEmpty: plus = " "
      case "#": showsPrefix = true
      default: break
      }
      rest.removeFirst()
    }
    width = try TextField.readNumber(&rest) ?? 0
    if rest.first == "." {
      rest.removeFirst()
      precision = try TextField.readNumber(&rest) ?? 0
    }
    kind = rest.popFirst()
    guard kind != nil else { throw TemplateFault("a '%' ends a text that is to be filled in.") }
  }

  /// Fits a text into the field.
  func fit(text: String) -> String {
    let text = precision.map { String(text.unicodeScalars.prefix($0)) } ?? text
    return pad("", text, standard: "<")
  }

  /// Fits a whole number into the field.
  func fit(integer: Int, radix: Int = 10, prefix: String = "", isUppercase: Bool = false) -> String {
    var digits = String(integer.magnitude, radix: radix, uppercase: isUppercase)
    if let precision { digits = String(repeating: "0", count: max(0, precision - digits.count)) + digits }
    let sign = (integer < 0 ? "-" : plus) + (showsPrefix ? prefix : "")
    return pad(sign, grouped(digits), standard: ">")
  }

  /// Fits a number with `precision` decimals into the field.
  func fit(fixed number: Double, suffix: String = "") -> String {
    let sign = number.sign == .minus && !number.isNaN ? "-" : plus
    guard number.isFinite else { return pad(sign, (number.isNaN ? "nan" : "inf") + suffix, standard: ">") }
    let text = number.magnitude.fixed(decimals: precision ?? 6)
    let whole = text.prefix { $0 != "." }
    return pad(sign, grouped(String(whole)) + text.dropFirst(whole.count) + suffix, standard: ">")
  }

  private func grouped(_ digits: String) -> String {
    guard let groupSeparator else { return digits }
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result += groupSeparator }
      result.append(digit)
    }
    return result
  }

  private func pad(_ sign: String, _ body: String, standard: Unicode.Scalar) -> String {
    let missing = max(0, width - sign.unicodeScalars.count - body.unicodeScalars.count)
    let fill = { (count: Int) in String(repeatElement(self.filler, count: count)) }
    switch alignment ?? standard {
    case "<": return sign + body + fill(missing)
    case "^": return fill(missing / 2) + sign + body + fill(missing - missing / 2)
    case "=": return sign + fill(missing) + body
    default: return fill(missing) + sign + body
    }
  }
}

extension Double {
  /// A finite number that is not negative, rounded to so many decimals: exactly, with halves to the even digit.
  func fixed(decimals: Int) -> String {
    // The exact decimal expansion: the significand's digits, doubled or halved once for each power of two.
    var power = Int(exponent) - 52
    if self == 0 { return decimals > 0 ? "0." + String(repeating: "0", count: decimals) : "0" }
    var digits = String(UInt64(scalbn52)).utf8.map { $0 - 48 }
    var pointPlace = digits.count
    while power > 0 {
      var carry: UInt8 = 0
      for index in digits.indices.reversed() {
        let doubled = digits[index] * 2 + carry
        digits[index] = doubled % 10
        carry = doubled / 10
      }
      if carry > 0 {
        digits.insert(carry, at: 0)
        pointPlace += 1
      }
      power -= 1
    }
    while power < 0 {
      var remainder: UInt8 = 0
      for index in digits.indices {
        let value = remainder * 10 + digits[index]
        digits[index] = value / 2
        remainder = value % 2
      }
      if remainder > 0 { digits.append(5) }
      power += 1
    }
    return Self.rounded(digits, pointPlace: pointPlace, decimals: decimals)
  }

  /// The significand as a whole number, so that the value is it times two to the power of `exponent - 52`.
  private var scalbn52: Double { significand * 0x1p52 }

  private static func rounded(_ digits: [UInt8], pointPlace: Int, decimals: Int) -> String {
    var kept = Array(digits.prefix(pointPlace + decimals))
    kept += Array(repeating: 0, count: pointPlace + decimals - kept.count)
    let rest = digits.dropFirst(pointPlace + decimals)
    let isAboveHalf = rest.first.map { $0 > 5 || $0 == 5 && rest.dropFirst().contains { $0 > 0 } } ?? false
    let isHalf = rest.first == 5 && !isAboveHalf
    if isAboveHalf || isHalf && (kept.last ?? 0) % 2 == 1 {
      var index = kept.count - 1
      while index >= 0, kept[index] == 9 {
        kept[index] = 0
        index -= 1
      }
      if index >= 0 { kept[index] += 1 } else { kept.insert(1, at: 0) }
    }
    let text = String(kept.map { Unicode.Scalar($0 + 48) })
    let whole = text.dropLast(decimals).drop { $0 == "0" }
    return (whole.isEmpty ? "0" : String(whole)) + (decimals > 0 ? "." + text.suffix(decimals) : "")
  }
}
