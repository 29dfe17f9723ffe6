extension JSONValue {
  /// How a document is laid out.
  public enum Layout: Sendable {
    /// Without any white space.
    case compact
    /// One element or member per line, indented by two spaces.
    case pretty
  }

  /// The document as UTF-8 bytes, without a final line feed.
  ///
  /// Only what JSON demands is escaped: quotes, backslashes and control characters.
  public func serialized(_ layout: Layout = .compact) -> [UInt8] {
    var writer = Writer(isPretty: layout == .pretty)
    writer.write(self)
    return writer.output
  }

  /// The document as text, without a final line feed.
  public func text(_ layout: Layout = .compact) -> String {
    String(decoding: serialized(layout), as: UTF8.self)
  }
}

private struct Writer {
  let isPretty: Bool
  var output: [UInt8] = []
  var depth = 0

  mutating func write(_ value: JSONValue) {
    switch value {
    case .null: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .int(let value): append(value.description)
    case .double(let value): append(value.isFinite ? value.description : "null")
    case .string(let value): write(value)
    case .array(let elements):
      writeList(elements, UInt8(ascii: "["), UInt8(ascii: "]")) { $0.write($1) }
    case .object(let members):
      writeList(members, UInt8(ascii: "{"), UInt8(ascii: "}")) { writer, member in
        writer.write(member.name)
        writer.append(writer.isPretty ? ": " : ":")
        writer.write(member.value)
      }
    }
  }

  private mutating func writeList<Element>(
    _ list: [Element], _ open: UInt8, _ close: UInt8, _ writeElement: (inout Writer, Element) -> Void
  ) {
    output.append(open)
    depth += 1
    for (position, element) in list.enumerated() {
      if position > 0 { output.append(UInt8(ascii: ",")) }
      breakLine()
      writeElement(&self, element)
    }
    depth -= 1
    if !list.isEmpty { breakLine() }
    output.append(close)
  }

  private mutating func breakLine() {
    guard isPretty else { return }
    output.append(UInt8(ascii: "\n"))
    for _ in 0..<depth { append("  ") }
  }

  private mutating func write(_ text: String) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x08: append("\\b")
      case 0x0C: append("\\f")
      case 0x0A: append("\\n")
      case 0x0D: append("\\r")
      case 0x09: append("\\t")
      case 0..<0x20:
        append(byte < 0x10 ? "\\u000" : "\\u00")
        append(String(byte, radix: 16))
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  private mutating func append(_ text: String) { output.append(contentsOf: text.utf8) }
}
