/// A strict, single-pass parser from bytes to the tape.
///
/// Depth is bounded, so recursion is too; work and memory are proportional to the input.
struct Parser {
  static let maximumDepth = 128

  let source: UnsafeBufferPointer<UInt8>
  var position = 0
  var tape: [Node] = []
  var duplicates = DuplicateKeys()

  init(_ source: UnsafeBufferPointer<UInt8>) {
    self.source = source
    tape.reserveCapacity(source.count / 16 + 4)
  }

  mutating func parseDocument() throws(JSONError) {
    guard source.count <= Document.maximumSize else {
      throw JSONError(offset: 0, message: "The document is larger than 256 MiB.")
    }
    try parseValue(depth: 0)
    skipSpace()
    if position < source.count { throw fault("Something follows the end of the document.") }
  }

  private mutating func parseValue(depth: Int) throws(JSONError) {
    skipSpace()
    guard position < source.count else { throw fault("The document ends where a value should be.") }
    switch source[position] {
    case UInt8(ascii: "\""): try parseString()
    case UInt8(ascii: "{"): try parseObject(depth: depth + 1)
    case UInt8(ascii: "["): try parseArray(depth: depth + 1)
    case UInt8(ascii: "t"): try parseLiteral("true", .true)
    case UInt8(ascii: "f"): try parseLiteral("false", .false)
    case UInt8(ascii: "n"): try parseLiteral("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try parseNumber()
    default: throw fault("A value cannot start with this byte.")
    }
  }

  private mutating func parseObject(depth: Int) throws(JSONError) {
    let start = try open(.object, depth: depth)
    var count = 0
    if !skip(UInt8(ascii: "}")) {
      repeat {
        skipSpace()
        guard position < source.count, source[position] == UInt8(ascii: "\"") else {
          throw fault("A member of an object must start with its name in quotes.")
        }
        try parseString()
        guard skip(UInt8(ascii: ":")) else { throw fault("A colon must follow the name of a member.") }
        try parseValue(depth: depth)
        count += 1
      } while skip(UInt8(ascii: ","))
      guard skip(UInt8(ascii: "}")) else { throw fault("A comma or the closing brace must follow a member.") }
    }
    tape[start] = Node(.object, extent: count, place: tape.count)
    if let offset = duplicates.find(inObjectAt: start, tape: tape, source: source) {
      throw JSONError(offset: offset, message: "This name occurs twice in one object.")
    }
  }

  private mutating func parseArray(depth: Int) throws(JSONError) {
    let start = try open(.array, depth: depth)
    var count = 0
    if !skip(UInt8(ascii: "]")) {
      repeat {
        try parseValue(depth: depth)
        count += 1
      } while skip(UInt8(ascii: ","))
      guard skip(UInt8(ascii: "]")) else {
        throw fault("A comma or the closing bracket must follow an element.")
      }
    }
    tape[start] = Node(.array, extent: count, place: tape.count)
  }

  private mutating func open(_ kind: Node.Kind, depth: Int) throws(JSONError) -> Int {
    guard depth <= Self.maximumDepth else {
      throw fault("The document nests deeper than \(Self.maximumDepth) levels.")
    }
    position += 1
    tape.append(Node(kind, extent: 0, place: 0))
    return tape.count - 1
  }

  private mutating func parseLiteral(_ text: StaticString, _ kind: Node.Kind) throws(JSONError) {
    let length = text.utf8CodeUnitCount
    guard position + length <= source.count else { throw fault("The document ends inside a word.") }
    for index in 0..<length where source[position + index] != text.utf8Start[index] {
      throw fault("The only words in JSON are true, false and null.")
    }
    tape.append(Node(kind, extent: 0, place: position))
    position += length
  }

  private mutating func parseNumber() throws(JSONError) {
    let start = position
    if source[position] == UInt8(ascii: "-") { position += 1 }
    let leading = position
    try skipDigits()
    if source[leading] == UInt8(ascii: "0"), position > leading + 1 {
      throw JSONError(offset: start, message: "A number must not have leading zeros.")
    }
    if position < source.count, source[position] == UInt8(ascii: ".") {
      position += 1
      try skipDigits()
    }
    if position < source.count, source[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < source.count,
        source[position] == UInt8(ascii: "+") || source[position] == UInt8(ascii: "-")
      {
        position += 1
      }
      try skipDigits()
    }
    tape.append(Node(.number, extent: position - start, place: start))
  }

  private mutating func skipDigits() throws(JSONError) {
    let start = position
    while position < source.count, source[position] &- UInt8(ascii: "0") < 10 { position += 1 }
    if position == start { throw fault("A digit must follow here.") }
  }

  /// Skips white space and then `byte`; false, with the space skipped, when something else is there.
  @inline(__always)
  private mutating func skip(_ byte: UInt8) -> Bool {
    skipSpace()
    guard position < source.count, source[position] == byte else { return false }
    position += 1
    return true
  }

  @inline(__always)
  mutating func skipSpace() {
    while position < source.count {
      let byte = source[position]
      guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      position += 1
    }
  }

  func fault(_ message: String) -> JSONError { JSONError(offset: position, message: message) }
}
