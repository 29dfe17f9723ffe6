/// Turns ids into text one at a time.
///
///     var decoder = tokenizer.makeStreamingDecoder()
///     for id in ids { print(decoder.append(id), terminator: "") }
///     print(decoder.finish())
///
/// What it returns, put together, equals `Tokenizer.decode(_:skippingSpecialTokens:)` of all the ids. Bytes that
/// do not yet make a whole character are held back until they do, or until it is certain that they never will.
public struct StreamingDecoder: Sendable {
  private let definition: TokenizerDefinition
  private let skipsSpecialTokens: Bool
  private var stages: [DecoderStage]
  private var pending: [UInt8] = []

  init(_ definition: TokenizerDefinition, skipsSpecialTokens: Bool) {
    self.definition = definition
    self.skipsSpecialTokens = skipsSpecialTokens
    stages = definition.decoder
  }

  /// The text that the id completes; ids that stand for no token add nothing.
  public mutating func append(_ id: Int32) -> String {
    feed(id)
    return takeCompleteText()
  }

  /// The text still held back; bytes that never became a character are replaced by U+FFFD.
  public mutating func finish() -> String {
    flush()
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  mutating func feed(_ id: Int32) {
    if skipsSpecialTokens, definition.added.specialIDs.contains(id) { return }
    guard let token = definition.token(id) else { return }
    if stages.count == 1, case .byteLetters = stages[0].kind {
      ByteAlphabet.append(bytesOf: token, to: &pending)
    } else {
      run([Array(token)], from: 0)
    }
  }

  mutating func flush() {
    for index in stages.indices {
      var output: [[UInt8]] = []
      stages[index].finish(&output)
      run(output, from: index + 1)
    }
  }

  private mutating func run(_ tokens: [[UInt8]], from first: Int) {
    var tokens = tokens
    for index in stages.indices.dropFirst(first) {
      var output: [[UInt8]] = []
      for token in tokens { stages[index].receive(token, &output) }
      tokens = output
    }
    for token in tokens { pending += token }
  }

  private mutating func takeCompleteText() -> String {
    let held = Self.incompleteSuffix(of: pending)
    defer { pending.removeFirst(pending.count - held) }
    return String(decoding: pending.dropLast(held), as: UTF8.self)
  }

  /// How many bytes at the end begin a character that more bytes could complete.
  private static func incompleteSuffix(of bytes: [UInt8]) -> Int {
    for length in 1...3 where length <= bytes.count {
      let lead = bytes[bytes.count - length]
      if lead & 0xC0 == 0x80 { continue }
      guard (0xC2...0xF4).contains(lead), UTF8Text.length(lead: lead) > length else { return 0 }
      guard length > 1 else { return length }
      let second: ClosedRange<UInt8> =
        switch lead {
        case 0xE0: 0xA0...0xBF
        case 0xED: 0x80...0x9F
        case 0xF0: 0x90...0xBF
        case 0xF4: 0x80...0x8F
        default: 0x80...0xBF
        }
      return second.contains(bytes[bytes.count - length + 1]) ? length : 0
    }
    return 0
  }

  /// The text of all that was fed, in one go.
  mutating func takeAll() -> String {
    flush()
    return String(decoding: pending, as: UTF8.self)
  }
}
