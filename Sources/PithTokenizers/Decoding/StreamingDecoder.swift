/// Turns tokens into text one by one. A piece that ends within a character waits for the rest of it, so that all
/// pieces together are what `Tokenizer.decode` gives and none is half a character.
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  /// The tokens from a little before what has not been passed on: how a token reads depends on the one before.
  private var ids: [Int32] = []
  /// The text of the first tokens of `ids`, which has been passed on.
  private var passed: [UInt8] = []

  init(_ tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
  }

  /// The text that a token completes, or an empty one.
  public mutating func append(_ id: Int32) -> String {
    ids.append(id)
    // A token that is left out says nothing of how the next one reads.
    if skipsSpecialTokens, tokenizer.added.tokens[id]?.isSpecial == true { return "" }
    let text = Array(tokenizer.decode(ids, skippingSpecialTokens: skipsSpecialTokens).utf8)
    if text.suffix(3).elementsEqual("\u{FFFD}".utf8) || tokenizer.isByteToken(id)
      || text.count <= passed.count
    {
      return ""
    }
    return pass(text, keeping: [id])
  }

  /// The text that is still held back: characters that were never completed.
  public mutating func finish() -> String {
    pass(Array(tokenizer.decode(ids, skippingSpecialTokens: skipsSpecialTokens).utf8), keeping: [])
  }

  private mutating func pass(_ text: [UInt8], keeping last: [Int32]) -> String {
    let new = String(decoding: text.dropFirst(passed.count), as: UTF8.self)
    ids = last
    passed = Array(tokenizer.decode(ids, skippingSpecialTokens: skipsSpecialTokens).utf8)
    return new
  }
}
