/// The tokenizer of a GGUF file, as its `tokenizer.ggml.*` keys tell it.
///
/// Each property is named for its key; a key that the file lacks keeps the default of the property, which
/// stands for what the model's family does.
public struct GGUFVocabulary: Sendable {
  /// `model`: `gpt2` (byte-level merges), `llama` (SentencePiece merges), `bert` (WordPiece) or `t5` (unigram).
  public var model: String
  /// `pre`: which family's pattern cuts the text into words, for the model `gpt2`.
  public var pre: String?
  /// `tokens`: the bytes of each token, by id.
  public var tokens: [[UInt8]]
  /// `scores`: the score of each token, by id.
  public var scores: [Float] = []
  /// `token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
  public var types: [Int32] = []
  /// `merges`: two tokens with a space between them, best first.
  public var merges: [[UInt8]] = []
  /// `bos_token_id`.
  public var beginningOfText: Int32?
  /// `eos_token_id`.
  public var endOfText: Int32?
  /// `unknown_token_id`.
  public var unknown: Int32?
  /// `seperator_token_id` (sic).
  public var separator: Int32?
  /// `padding_token_id`.
  public var padding: Int32?
  /// `cls_token_id`.
  public var classification: Int32?
  /// `mask_token_id`.
  public var mask: Int32?
  /// `add_bos_token`.
  public var addsBeginningOfText: Bool?
  /// `add_eos_token`.
  public var addsEndOfText: Bool?
  /// `add_space_prefix`.
  public var addsSpacePrefix: Bool?
  /// `remove_extra_whitespaces`.
  public var removesExtraWhitespace = false
  /// `precompiled_charsmap`.
  public var precompiledCharacterMap: [UInt8] = []
  /// Whether the model `bert` reads lowercase text.
  public var lowercases = true

  /// A vocabulary of tokens by id; the other keys are set afterwards.
  public init(model: String, pre: String? = nil, tokens: [[UInt8]]) {
    self.model = model
    self.pre = pre
    self.tokens = tokens
  }
}

extension GGUFVocabulary {
  enum TokenType: Int32 { case normal = 1, unknown, control, userDefined, unused, byte }

  func type(_ id: Int) -> TokenType { types.isEmpty ? .normal : TokenType(rawValue: types[id]) ?? .normal }

  func definition() throws(TokenizerError) -> TokenizerDefinition {
    try check()
    switch model {
    case "gpt2": return try byteLevelDefinition()
    case "llama": return try sentencePieceDefinition()
    case "bert": return try wordPieceDefinition()
    case "t5": return try unigramDefinition()
    default:
      throw TokenizerError(
        "The tokenizer model \"\(model.prefix(40))\" is not supported; gpt2, llama, bert and t5 are.")
    }
  }

  func check() throws(TokenizerError) {
    guard !tokens.isEmpty, tokens.count < 1 << 24 else {
      throw TokenizerError("The vocabulary has \(tokens.count) tokens; convert the model again.")
    }
    guard types.isEmpty || types.count == tokens.count, scores.isEmpty || scores.count == tokens.count else {
      throw TokenizerError("The lists of tokens, types and scores differ in length; convert the model again.")
    }
    for id in [beginningOfText, endOfText, unknown, separator, padding, classification, mask] {
      if let id, !tokens.indices.contains(Int(id)) {
        throw TokenizerError(
          "The special token id \(id) is outside of the vocabulary; convert the model again.")
      }
    }
  }

  func vocabulary(_ content: ([UInt8]) -> [UInt8] = { $0 }) throws(TokenizerError) -> Vocabulary {
    var vocabulary = Vocabulary(capacity: tokens.count)
    for (id, token) in tokens.enumerated() { try vocabulary.insert(content(token), id: id) }
    return vocabulary
  }

  /// Control tokens are special; user-defined ones are found in the text as well, but are decoded.
  private var added: [AddedToken] {
    tokens.indices.compactMap { id in
      let type = type(id)
      guard type == .control || type == .userDefined || type == .unknown else { return nil }
      return AddedToken(id: Int32(id), content: tokens[id], isSpecial: type != .userDefined)
    }
  }

  private var specialTokens: TokenizerDefinition.SpecialTokens {
    TokenizerDefinition.SpecialTokens(
      beginningOfText: beginningOfText, endOfText: endOfText, unknown: unknown, padding: padding,
      separator: separator, classification: classification, mask: mask)
  }

  private func template(addsBeginning: Bool, addsEnd: Bool) -> SpecialTokenTemplate {
    .around(
      beginning: addsBeginningOfText ?? addsBeginning ? beginningOfText : nil,
      end: addsEndOfText ?? addsEnd ? endOfText : nil)
  }

  private func byteLevelDefinition() throws(TokenizerError) -> TokenizerDefinition {
    let family = try WordPatternFamily(pre ?? "default")
    let vocabulary = try vocabulary()
    var builder = MergeTableBuilder(vocabulary: vocabulary, capacity: merges.count)
    for merge in merges {
      if let fault = merge.withUnsafeBufferPointer({ builder.append(spaced: $0) }) {
        throw builder.fault(fault)
      }
    }
    var model = BytePairEncoding(vocabulary: vocabulary, ranking: .merges(builder.table))
    model.isByteLevel = true
    model.ignoresMerges = family.ignoresMerges
    return TokenizerDefinition(
      normalizer: family.normalizesToNFC ? .unicode(.nfc) : nil, preTokenizer: .sequence(try family.stages()),
      model: .bytePair(model), added: added,
      template: template(addsBeginning: family.addsBeginning, addsEnd: false), decoder: [.byteLetters],
      specialTokens: specialTokens)
  }

  private func sentencePieceDefinition() throws(TokenizerError) -> TokenizerDefinition {
    let vocabulary = try vocabulary()
    var ranks = [UInt32](repeating: .max, count: tokens.count)
    let mergeable = tokens.indices.filter { type($0) == .normal || type($0) == .userDefined }
    let scores = scores.isEmpty ? [Float](repeating: 0, count: tokens.count) : scores
    // Of equal scores the lower id joins first, as in the merges that the reference derives from them.
    let order = mergeable.sorted { (scores[$1], $0) < (scores[$0], $1) }
    for (rank, id) in order.enumerated() { ranks[id] = UInt32(rank) }
    var model = BytePairEncoding(vocabulary: vocabulary, ranking: .scores(ranks))
    model.unknown = unknown ?? 0
    model.fusesUnknown = true
    model.byteTokens = ByteTokens(vocabulary)
    model.findSeams()
    let addsPrefix = addsSpacePrefix ?? true
    let mark = Array("▁".utf8)
    let replacement = Normalizer.replace(.scalars(.scalar(0x20)), with: mark)
    var decoder: [DecoderStage.Kind] = [
      .replace(.scalars(.scalar(0x2581)), with: [0x20]), .byteFallback, .fuse,
    ]
    if addsPrefix { decoder.append(.strip(content: 0x20, left: 1, right: 0)) }
    return TokenizerDefinition(
      normalizer: addsPrefix ? .sequence([.prepend(mark), replacement]) : replacement, preTokenizer: nil,
      model: .bytePair(model), added: added, template: template(addsBeginning: true, addsEnd: false),
      decoder: decoder, specialTokens: specialTokens)
  }

  /// Undoes the conversion, which marks the beginnings of words with `▁` instead of continuations with `##`.
  private func wordPieceDefinition() throws(TokenizerError) -> TokenizerDefinition {
    let (mark, continuation) = (Array("▁".utf8), Array("##".utf8))
    let vocabulary = try vocabulary { token in
      if token.count > mark.count, token.starts(with: mark) { return Array(token.dropFirst(mark.count)) }
      let isBracketed = token.first == UInt8(ascii: "[") && token.last == UInt8(ascii: "]") && token.count > 1
      return isBracketed ? token : continuation + token
    }
    let model = WordPiece(
      vocabulary: vocabulary, unknown: unknown ?? vocabulary.id(of: "[UNK]"), continuation: continuation,
      maximumCharacters: 100)
    var tokens = specialTokens
    tokens.classification = classification ?? beginningOfText
    tokens.separator = separator ?? endOfText
    return TokenizerDefinition(
      normalizer: .bert(
        BertNormalization(
          cleansText: true, separatesIdeographs: true, stripsAccents: lowercases, lowercases: lowercases)),
      preTokenizer: .sequence([
        .split(.scalars(.whiteSpace), .removed, inverts: false),
        .split(.scalars(.punctuation), .isolated, inverts: false),
      ]),
      model: .wordPiece(model), added: added.filter { vocabulary.token(Int($0.id)) == $0.content[...] },
      template: .bert(tokens.classification, tokens.separator),
      decoder: [.wordPiece(prefix: continuation, cleansUp: true)], specialTokens: tokens)
  }

  private func unigramDefinition() throws(TokenizerError) -> TokenizerDefinition {
    guard scores.count == tokens.count, scores.allSatisfy(\.isFinite) else {
      throw TokenizerError("The unigram vocabulary lacks the scores of its tokens; convert the model again.")
    }
    let hasBytes = tokens.indices.contains { type($0) == .byte }
    let model = Unigram(
      vocabulary: try vocabulary(), scores: scores.map(Double.init), unknown: unknown ?? Vocabulary.absent,
      hasByteFallback: hasBytes)
    var normalizer: Normalizer?
    if !precompiledCharacterMap.isEmpty {
      normalizer = .precompiled(try PrecompiledMap(precompiledCharacterMap))
    }
    let addsPrefix = addsSpacePrefix ?? true
    let mark = Array("▁".utf8)
    var stages: [PreTokenizer] = []
    if removesExtraWhitespace { stages.append(.split(.scalars(.whiteSpace), .removed, inverts: false)) }
    stages.append(
      .metaspace(.init(replacement: mark, prepending: addsPrefix ? .always : .never, splits: true)))
    return TokenizerDefinition(
      normalizer: normalizer, preTokenizer: .sequence(stages), model: .unigram(model), added: added,
      template: template(addsBeginning: false, addsEnd: true),
      decoder: [.metaspace(replacement: mark, dropsFirst: addsPrefix)], specialTokens: specialTokens)
  }
}

extension SpecialTokenTemplate {
  /// BERT's template: a classification token first, a separator after each text.
  fileprivate static func bert(_ classification: Int32?, _ separator: Int32?) -> SpecialTokenTemplate {
    let first = (classification.map { [Part.token($0, type: 0)] } ?? []) + [.first(type: 0)]
    let end = { (type: Int32) in separator.map { [Part.token($0, type: type)] } ?? [] }
    return SpecialTokenTemplate(single: first + end(0), pair: first + end(0) + [.second(type: 1)] + end(1))
  }
}
