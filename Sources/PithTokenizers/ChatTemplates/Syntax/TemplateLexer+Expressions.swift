extension TemplateLexer {
  /// Reads one number, name, string or symbol, and returns the symbol if it was one.
  mutating func readExpressionToken() throws(TemplateFault) -> Symbol? {
    let scalar = source[position]
    if scalar.isDigit {
      try readNumber()
    } else if scalar == "'" || scalar == "\"" {
      try readString(quote: scalar)
    } else if scalar == "_" || scalar.properties.isXIDStart {
      readName()
    } else if let symbol = Symbol.allCases.first(where: { starts(with: $0.rawValue, at: position) }) {
      append(.symbol(symbol))
      advance(to: position + symbol.rawValue.utf8.count)
      return symbol
    } else {
      throw TemplateFault("the character '\(scalar)' is not allowed here.")
    }
    return nil
  }

  private mutating func readName() {
    var end = position
    while end < source.count, source[end] == "_" || source[end].properties.isXIDContinue { end += 1 }
    append(.name(text(position..<end)))
    advance(to: end)
  }

  private func text(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: source[range])
    return String(view)
  }

  // MARK: Numbers

  private mutating func readNumber() throws(TemplateFault) {
    // After a dot only a whole number can follow, as in `pair.0.1`.
    if position == 0 || source[position - 1] != ".", let end = endOfFloat() {
      guard let value = Double(digits(position..<end)) else {
        throw TemplateFault("'\(text(position..<end))' is not a number.")
      }
      append(.float(value))
      return advance(to: end)
    }
    let radix = radix()
    let start = position + (radix == 10 ? 0 : 2)
    let end =
      source[position] == "0" && radix == 10
      ? endOfDigits(from: start) { $0 == "0" }
      : endOfDigits(from: start) { $0.properties.isASCIIHexDigit && Int($0.text, radix: radix) != nil }
    guard let value = Int(digits(start..<end), radix: radix) else {
      throw TemplateFault("the number \(text(position..<end)) is too large.")
    }
    append(.integer(value))
    advance(to: end)
  }

  private func radix() -> Int {
    guard source[position] == "0", position + 2 < source.count else { return 10 }
    let radix =
      switch source[position + 1] {
      case "x", "X": 16
      case "o", "O": 8
      case "b", "B": 2
      default: 10
      }
    return radix != 10 && Int(source[position + 2].text, radix: radix) == nil ? 10 : radix
  }

  private func digits(_ range: Range<Int>) -> String { text(range).filter { $0 != "_" } }

  /// The end of a run of digits that single underscores may part.
  private func endOfDigits(from start: Int, where isDigit: (Unicode.Scalar) -> Bool) -> Int {
    var end = start
    while end < source.count {
      if isDigit(source[end]) {
        end += 1
      } else if end > start, source[end] == "_", end + 1 < source.count, isDigit(source[end + 1]) {
        end += 2
      } else {
        break
      }
    }
    return end
  }

  private func endOfFloat() -> Int? {
    let whole = endOfDigits(from: position, where: \.isDigit)
    var end = whole
    if end + 1 < source.count, source[end] == ".", source[end + 1].isDigit {
      end = endOfDigits(from: end + 1, where: \.isDigit)
    }
    if end < source.count, source[end] == "e" || source[end] == "E" {
      var exponent = end + 1
      if exponent < source.count, source[exponent] == "+" || source[exponent] == "-" { exponent += 1 }
      let exponentEnd = endOfDigits(from: exponent, where: \.isDigit)
      if exponentEnd > exponent { end = exponentEnd }
    }
    return end > whole ? end : nil
  }

  // MARK: Strings

  private mutating func readString(quote: Unicode.Scalar) throws(TemplateFault) {
    var value = String.UnicodeScalarView()
    var index = position + 1
    while index < source.count, source[index] != quote {
      if source[index] == "\\", index + 1 < source.count {
        index = try readEscape(at: index + 1, into: &value)
      } else {
        value.append(source[index])
        index += 1
      }
    }
    guard index < source.count else { throw TemplateFault("a string is not closed with \(quote).") }
    append(.string(String(value)))
    advance(to: index + 1)
  }

  /// Reads the escape sequence whose character after the backslash is at `index`, and returns the index after it.
  private func readEscape(
    at index: Int, into value: inout String.UnicodeScalarView
  ) throws(TemplateFault) -> Int {
    let simple: [Unicode.Scalar: Unicode.Scalar] = [
      "\\": "\\", "'": "'", "\"": "\"", "n": "\n", "t": "\t", "r": "\r", "a": "\u{7}", "b": "\u{8}",
      "f": "\u{C}", "v": "\u{B}",
    ]
    let letter = source[index]
    if letter == "\n" { return index + 1 }
    if let scalar = simple[letter] {
      value.append(scalar)
      return index + 1
    }
    let widths: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]
    if let width = widths[letter] {
      return try readCode(index + 1, width: width, exactly: true, radix: 16, into: &value)
    }
    if ("0"..."7").contains(letter) {
      return try readCode(index, width: 3, exactly: false, radix: 8, into: &value)
    }
    if letter == "N" { throw TemplateFault("characters cannot be written by name with \\N.") }
    value.append("\\")
    value.append(letter)
    return index + 1
  }

  private func readCode(
    _ start: Int, width: Int, exactly: Bool, radix: Int, into value: inout String.UnicodeScalarView
  ) throws(TemplateFault) -> Int {
    var end = start
    while end < min(start + width, source.count), Int(source[end].text, radix: radix) != nil { end += 1 }
    guard end > start, !exactly || end == start + width, let code = UInt32(text(start..<end), radix: radix),
      let scalar = Unicode.Scalar(code)
    else { throw TemplateFault("a string holds an escape sequence that is no character.") }
    value.append(scalar)
    return end
  }
}
