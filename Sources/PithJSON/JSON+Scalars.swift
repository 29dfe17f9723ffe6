extension JSON {
  /// Whether this is the word `null`.
  public var isNull: Bool { node.kind == .null }

  /// The truth value, or nil when this is something else.
  public var bool: Bool? {
    switch node.kind {
    case .true: true
    case .false: false
    default: nil
    }
  }

  /// The number as an integer, or nil when this is no number, not whole, or beyond the range of `Int`.
  public var int: Int? {
    guard node.kind == .number else { return nil }
    return withRaw { raw in
      var magnitude = 0
      var isNegative = false
      for byte in raw {
        switch byte {
        case UInt8(ascii: "-"): isNegative = true
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
          let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
          // Counting downwards reaches `Int.min` too.
          let (sum, overflows) = product.subtractingReportingOverflow(Int(byte - UInt8(ascii: "0")))
          if overflow || overflows { return nil }
          magnitude = sum
        default: return double.flatMap(Int.init(exactly:))
        }
      }
      if isNegative { return magnitude }
      return magnitude == .min ? nil : -magnitude
    }
  }

  /// The number rounded to the nearest double, or nil when this is no number or beyond the range of `Double`.
  public var double: Double? {
    guard node.kind == .number else { return nil }
    return withRaw { raw in
      if let exact = shortDecimal(raw) { return exact }
      let value = Double(String(decoding: raw, as: UTF8.self))
      return value.flatMap { $0.isFinite ? $0 : nil }
    }
  }

  /// The number as it is written in the document, or nil when this is something else.
  public var numberText: String? {
    guard node.kind == .number else { return nil }
    return withRaw { String(decoding: $0, as: UTF8.self) }
  }

  /// The string, or nil when this is something else.
  public var string: String? {
    withUTF8 { String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes of the string, escapes resolved, or nil when this is something else.
  public var utf8: [UInt8]? {
    withUTF8 { [UInt8]($0) }
  }

  /// Calls `body` with the bytes of the string, escapes resolved; nil when this is no string.
  ///
  /// A string without escapes is handed over in place, without a copy.
  @inlinable
  public func withUTF8<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result? {
    guard kind == .string else { return nil }
    if let unescaped = unescapedCopy() { return unescaped.withUnsafeBufferPointer(body) }
    return withRaw(body)
  }

  /// Whether this is a string of exactly these bytes.
  public func isString(_ text: String) -> Bool {
    withUTF8 { $0.elementsEqual(text.utf8) } ?? false
  }

  @usableFromInline
  func unescapedCopy() -> [UInt8]? {
    guard node.kind == .escapedString else { return nil }
    return document.bytes.withUnsafeBufferPointer { source in
      var output: [UInt8] = []
      output.reserveCapacity(node.extent)
      unescape(source[node.place..<node.place + node.extent], into: &output)
      return output
    }
  }

  @usableFromInline
  func withRaw<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    document.bytes.withUnsafeBufferPointer { source in
      body(UnsafeBufferPointer(rebasing: source[node.place..<node.place + node.extent]))
    }
  }
}

/// The value of a decimal whose digits and power of ten are both exact doubles, so that one multiplication or
/// division rounds correctly (W. D. Clinger, "How to read floating point numbers accurately", 1990,
/// https://doi.org/10.1145/93542.93557); nil for the others.
private func shortDecimal(_ raw: UnsafeBufferPointer<UInt8>) -> Double? {
  var digits: UInt64 = 0
  var exponent = 0
  var isFraction = false
  for byte in raw {
    switch byte {
    case UInt8(ascii: "-"): continue
    case UInt8(ascii: "."): isFraction = true
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      digits = digits &* 10 &+ UInt64(byte - UInt8(ascii: "0"))
      if digits > 1 << 53 { return nil }
      if isFraction { exponent += 1 }
    default: return nil
    }
  }
  guard exponent < powersOfTen.count else { return nil }
  let magnitude = Double(digits) / powersOfTen[exponent]
  return raw.first == UInt8(ascii: "-") ? -magnitude : magnitude
}

private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
  1e19, 1e20, 1e21, 1e22,
]
