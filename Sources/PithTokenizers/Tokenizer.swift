import PithJSON

/// Text to tokens and back.
///
///     let tokenizer = try Tokenizer(tokenizerJSON: JSON(parsing: bytes))
///     let ids = tokenizer.encode("Hello, world")
///     let text = tokenizer.decode(ids)
///
/// The stages are those of Hugging Face's `tokenizers`: added tokens are found first; the text between them is
/// normalized, cut into pieces, and each piece becomes tokens of the model; then special tokens are put around.
public struct Tokenizer: Sendable {
  let added: AddedTokens
  let normalizer: Normalizer?
  let preTokenizer: PreTokenizer?
  let model: TokenModel
  let postProcessor: PostProcessor
  let decoder: TokenDecoder?
  /// Whether the vocabulary's tokens are bytes, and not the letters that stand for them.
  let isByteLevel: Bool

  /// The token that begins a text, where the tokenizer names one.
  public let beginningOfText: Int32?

  /// The token that ends a text, where the tokenizer names one.
  public let endOfText: Int32?

  /// The special tokens that the tokenizer names, by their roles (`bos_token`, `eos_token`, `pad_token` …).
  public let namedTokens: [String: String]

  /// The tokens of a text.
  ///
  /// - Parameter addingSpecialTokens: whether the tokens that the model expects around a text are put there.
  public func encode(_ text: String, addingSpecialTokens: Bool = true) -> [Int32] {
    let ids = encodePlain(text)
    return addingSpecialTokens ? postProcessor.apply(ids).ids : ids
  }

  /// The tokens of two texts, with those that the model expects around and between them.
  public func encode(_ first: String, _ second: String) -> Encoding {
    postProcessor.apply(encodePlain(first), encodePlain(second))
  }

  /// The text of tokens.
  ///
  /// - Parameter skippingSpecialTokens: whether special tokens are left out.
  public func decode(_ ids: [Int32], skippingSpecialTokens: Bool = true) -> String {
    var pieces: [[UInt8]] = []
    for id in ids {
      if let token = added.tokens[id] {
        if !(token.isSpecial && skippingSpecialTokens) { pieces.append(token.content) }
      } else if let token = model.vocabulary.token(Int(id)) {
        pieces.append(letters(of: token))
      }
    }
    guard let decoder else {
      return String(decoding: Array(pieces.joined(separator: [UInt8(ascii: " ")])), as: UTF8.self)
    }
    return String(decoding: Array(decoder.apply(to: pieces).joined()), as: UTF8.self)
  }

  /// A decoder that takes tokens one by one.
  public func makeStreamingDecoder(skippingSpecialTokens: Bool = true) -> StreamingDecoder {
    StreamingDecoder(self, skipsSpecialTokens: skippingSpecialTokens)
  }

  /// One more than the largest id.
  public var vocabularySize: Int {
    max(model.vocabulary.idBound, added.tokens.keys.max().map { Int($0) + 1 } ?? 0)
  }

  /// The id of a token by its content.
  public func id(of token: String) -> Int32? {
    let content = Array(token.utf8)
    if let added = added.tokens.values.first(where: { $0.content == content }) { return added.id }
    var bytes = content
    if isByteLevel {
      bytes = []
      ByteAlphabet.append(bytesOf: content[...], to: &bytes)
    }
    let id = model.vocabulary.id(of: bytes)
    return id >= 0 ? id : nil
  }

  /// The content of a token.
  public func token(_ id: Int32) -> String? {
    if let token = added.tokens[id] { return String(decoding: token.content, as: UTF8.self) }
    return model.vocabulary.token(Int(id)).map { String(decoding: letters(of: $0), as: UTF8.self) }
  }

  /// Whether a token is a single byte of a character that is no token.
  func isByteToken(_ id: Int32) -> Bool {
    guard decoder?.fallsBackToBytes == true, added.tokens[id] == nil,
      let token = model.vocabulary.token(Int(id))
    else { return false }
    return TokenDecoder.byte(of: Array(token)) != nil
  }

  /// A token of the vocabulary as the tokenizer's file spells it.
  private func letters(of token: ArraySlice<UInt8>) -> [UInt8] {
    guard isByteLevel else { return Array(token) }
    var letters: [UInt8] = []
    ByteAlphabet.append(lettersOf: token, to: &letters)
    return letters
  }

  private func encodePlain(_ text: String) -> [Int32] {
    var ids: [Int32] = []
    let bytes = Array(text.utf8)
    for part in added.partsOfPlainText(bytes) {
      switch part {
      case .token(let id): ids.append(id)
      case .text(let range):
        encodeText(
          range.count == bytes.count ? bytes : Array(bytes[range]), isBeginning: range.lowerBound == 0, &ids)
      }
    }
    return ids
  }

  /// Encodes text that has no added tokens but normalized ones.
  private func encodeText(_ text: [UInt8], isBeginning: Bool, _ ids: inout [Int32]) {
    // A text whose first character is normalized away no longer begins the input.
    var isBeginning = isBeginning
    if let normalizer, isBeginning, let lead = text.first {
      var first = Array(text.prefix(UTF8Text.length(lead: lead)))
      normalizer.apply(to: &first)
      isBeginning = !first.isEmpty
    }
    var text = text
    normalizer?.apply(to: &text)
    for part in added.partsOfNormalizedText(text) {
      switch part {
      case .token(let id): ids.append(id)
      case .text(let range):
        var pieces = Pieces(
          range.count == text.count ? text : Array(text[range]),
          isBeginning: isBeginning && range.lowerBound == 0)
        preTokenizer?.apply(to: &pieces)
        model.encode(pieces, into: &ids)
      }
    }
  }
}
