import PithJSON

/// Turns text into the ids that a model reads, and ids back into text.
///
///     let tokenizer = try Tokenizer(tokenizerJSON: JSON(parsing: bytes))
///     let ids = tokenizer.encode("Hello, world")
///     tokenizer.decode(ids)  // "Hello, world"
///
/// The ids equal those of the reference implementation (Hugging Face's `tokenizers`) for every description that
/// is accepted; a description with a part that is not supported is refused by name. Truncation and padding that
/// a file may ask for are left to the caller. A text must be smaller than 2 GiB.
public struct Tokenizer: Sendable {
  let definition: TokenizerDefinition

  /// A tokenizer from the contents of `tokenizer.json` and, where there is one, `tokenizer_config.json`.
  ///
  /// The configuration names the tokens that begin and end a text; it also asks for them around each text with
  /// `add_bos_token` and `add_eos_token`, which counts where `tokenizer.json` has no template of its own.
  public init(tokenizerJSON: JSON, configuration: JSON? = nil) throws(TokenizerError) {
    definition = try TokenizerFile(tokenizerJSON, configuration: configuration).definition()
  }

  /// A tokenizer from the vocabulary in a GGUF file.
  public init(_ vocabulary: GGUFVocabulary) throws(TokenizerError) {
    definition = try vocabulary.definition()
  }

  /// The ids of a text, with the special tokens around it that the model expects unless asked otherwise.
  ///
  /// Special tokens written out in the text are recognized either way.
  public func encode(_ text: String, addingSpecialTokens: Bool = true) -> [Int32] {
    let ids = definition.encode(Array(text.utf8))
    return definition.template.assemble(ids, nil, addsTokens: addingSpecialTokens).ids
  }

  /// The ids and types of a text, with the special tokens around it.
  public func encoding(of text: String, addingSpecialTokens: Bool = true) -> Encoding {
    let ids = definition.encode(Array(text.utf8))
    return definition.template.assemble(ids, nil, addsTokens: addingSpecialTokens)
  }

  /// The ids and types of a pair of texts, with the special tokens around and between them.
  public func encode(_ first: String, _ second: String, addingSpecialTokens: Bool = true) -> Encoding {
    definition.template.assemble(
      definition.encode(Array(first.utf8)), definition.encode(Array(second.utf8)),
      addsTokens: addingSpecialTokens)
  }

  /// The text of the ids; ids that stand for no token are passed over.
  public func decode(_ ids: [Int32], skippingSpecialTokens: Bool = true) -> String {
    var decoder = makeStreamingDecoder(skippingSpecialTokens: skippingSpecialTokens)
    for id in ids { decoder.feed(id) }
    return decoder.takeAll()
  }

  /// A decoder that takes ids one at a time.
  public func makeStreamingDecoder(skippingSpecialTokens: Bool = true) -> StreamingDecoder {
    StreamingDecoder(definition, skipsSpecialTokens: skippingSpecialTokens)
  }

  /// The number of tokens, added ones included.
  public var vocabularySize: Int { definition.vocabularySize }

  /// The id of a token given as it stands in the vocabulary, compared by its bytes.
  public func id(of token: String) -> Int32? { definition.id(of: Array(token.utf8)) }

  /// The token of an id as it stands in the vocabulary.
  public func token(_ id: Int32) -> String? {
    definition.token(id).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the id is that of a special token, which decoding passes over.
  public func isSpecial(_ id: Int32) -> Bool { definition.added.specialIDs.contains(id) }

  /// The token that begins a text.
  public var beginningOfText: Int32? { definition.specialTokens.beginningOfText }
  /// The token that ends a text.
  public var endOfText: Int32? { definition.specialTokens.endOfText }
  /// The token for what the vocabulary cannot express.
  public var unknown: Int32? { definition.specialTokens.unknown }
  /// The token that fills up a batch.
  public var padding: Int32? { definition.specialTokens.padding }
  /// The token between two texts.
  public var separator: Int32? { definition.specialTokens.separator }
  /// The token whose output stands for the whole text.
  public var classification: Int32? { definition.specialTokens.classification }
  /// The token that hides another one.
  public var mask: Int32? { definition.specialTokens.mask }
}
