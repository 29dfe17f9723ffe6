import PithJSON

/// Reads `tokenizer.json`, part by part.
struct TokenizerFile {
  let root: JSON
  let configuration: JSON?

  init(_ root: JSON, configuration: JSON?) throws(TokenizerError) {
    guard root.kind == .object else {
      throw TokenizerError("tokenizer.json holds no object at its top; take it again from its source.")
    }
    self.root = root
    self.configuration = configuration
  }

  func definition() throws(TokenizerError) -> TokenizerDefinition {
    var model = try model()
    let normalizer = try part("normalizer").map { (part) throws(TokenizerError) in try self.normalizer(part) }
    try Self.limitGrowth(normalizer?.growth ?? 1)
    var stages: [PreTokenizer] = []
    if let part = part("pre_tokenizer") { stages = try preTokenizers(part) }
    if case .bytePair(var bytePair) = model {
      if case .byteLetters = stages.last {
        // The model maps bytes to letters itself, without writing the letters out.
        stages.removeLast()
        bytePair.isByteLevel = true
      }
      bytePair.findSeams()
      model = .bytePair(bytePair)
    }
    let added = try addedTokens(model.vocabulary)
    let specialTokens = specialTokens(model.vocabulary, added)
    var template = SpecialTokenTemplate.plain
    if let part = part("post_processor"), let own = try self.template(part) {
      template = own
    } else {
      template = configuredTemplate(specialTokens)
    }
    var decoder = [DecoderStage.Kind.spaces]
    if let part = part("decoder") { decoder = try decoders(part) }
    try Self.limitGrowth(decoder.reduce(1) { min($0 * $1.growth, Self.maximumGrowth + 1) })
    return TokenizerDefinition(
      normalizer: normalizer, preTokenizer: stages.isEmpty ? nil : .sequence(stages), model: model,
      added: added, template: template, decoder: decoder, specialTokens: specialTokens)
  }

  /// How many times longer than its input a text may become: a chain of replacements can double it at every link.
  static let maximumGrowth = 1 << 16

  private static func limitGrowth(_ growth: Int) throws(TokenizerError) {
    guard growth <= maximumGrowth else {
      throw TokenizerError("The replacements in tokenizer.json make texts far too long; remove some of them.")
    }
  }

  /// A part of the file; nil when it is missing or null.
  func part(_ name: String) -> JSON? { root[name].flatMap { $0.isNull ? nil : $0 } }

  /// The type of a part, by which its fields are understood.
  static func type(_ part: JSON) throws(TokenizerError) -> String {
    guard let type = part["type"]?.string else {
      throw TokenizerError("A part of tokenizer.json does not tell its type; add the field \"type\".")
    }
    return type
  }

  static func unsupported(_ kind: String, _ type: String) -> TokenizerError {
    TokenizerError(
      "The \(kind) \"\(type.prefix(60))\" of tokenizer.json is not supported; use a tokenizer without it.")
  }

  /// The elements of a sequence, under the name it gives them.
  static func elements(_ part: JSON, _ name: String) throws(TokenizerError) -> JSON.Elements {
    guard let elements = part[name]?.array else {
      throw TokenizerError("A sequence in tokenizer.json lacks its list \"\(name)\"; add it.")
    }
    return elements
  }

  /// A string field that must be there.
  static func bytes(_ part: JSON, _ name: String) throws(TokenizerError) -> [UInt8] {
    guard let bytes = part[name]?.utf8 else {
      throw TokenizerError("A part of tokenizer.json lacks its text \"\(name)\"; add it.")
    }
    return bytes
  }

  /// A pattern: a plain string, or one of `{"String": …}` and `{"Regex": …}`.
  static func pattern(_ part: JSON) throws(TokenizerError) -> SplitPattern {
    guard let pattern = part["pattern"] else {
      throw TokenizerError("A part of tokenizer.json lacks its \"pattern\"; add it.")
    }
    if let literal = pattern.utf8 ?? pattern["String"]?.utf8 {
      let scalars = UTF8Text.scalars(of: literal)
      return scalars.count == 1 ? .scalars(.scalar(scalars[0])) : .literal(literal)
    }
    guard let source = pattern["Regex"]?.string else {
      throw TokenizerError("A pattern in tokenizer.json is neither a String nor a Regex; make it one.")
    }
    return .expression(try Pattern(source))
  }

  private func addedTokens(_ vocabulary: Vocabulary) throws(TokenizerError) -> [AddedToken] {
    var tokens: [AddedToken] = []
    for entry in part("added_tokens")?.array ?? .empty {
      guard let content = entry["content"]?.utf8, let id = entry["id"]?.int, let id = Int32(exactly: id),
        id >= 0
      else {
        throw TokenizerError("An added token of tokenizer.json lacks a valid id or content; correct it.")
      }
      let known = vocabulary.id(of: content)
      tokens.append(
        AddedToken(
          id: known >= 0 ? known : id, content: content, isSpecial: entry["special"]?.bool ?? false,
          stripsLeft: entry["lstrip"]?.bool ?? false, stripsRight: entry["rstrip"]?.bool ?? false,
          isSingleWord: entry["single_word"]?.bool ?? false,
          isNormalized: entry["normalized"]?.bool ?? !(entry["special"]?.bool ?? false)))
    }
    return tokens
  }

  /// Tokens by role: named by the configuration, or else by their customary names.
  private func specialTokens(
    _ vocabulary: Vocabulary, _ added: [AddedToken]
  ) -> TokenizerDefinition.SpecialTokens {
    func id(_ role: String, _ names: [String]) -> Int32? {
      let named = configuration?[role].flatMap { $0.utf8 ?? $0["content"]?.utf8 }
      let candidates = named.map { [$0] } ?? (configuration == nil ? names.map { Array($0.utf8) } : [])
      for name in candidates {
        if let token = added.first(where: { $0.content == name }) { return token.id }
        let id = vocabulary.id(of: name)
        if id >= 0 { return id }
      }
      return nil
    }
    return TokenizerDefinition.SpecialTokens(
      beginningOfText: id("bos_token", ["<s>", "<bos>", "<|begin_of_text|>"]),
      endOfText: id("eos_token", ["</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"]),
      unknown: id("unk_token", ["<unk>", "[UNK]"]), padding: id("pad_token", ["<pad>", "[PAD]"]),
      separator: id("sep_token", ["[SEP]"]), classification: id("cls_token", ["[CLS]"]),
      mask: id("mask_token", ["[MASK]", "<mask>"]))
  }

  private func configuredTemplate(_ tokens: TokenizerDefinition.SpecialTokens) -> SpecialTokenTemplate {
    let wants = { (name: String) in configuration?[name]?.bool ?? false }
    return .around(
      beginning: wants("add_bos_token") ? tokens.beginningOfText : nil,
      end: wants("add_eos_token") ? tokens.endOfText : nil)
  }
}

extension SpecialTokenTemplate {
  /// The given tokens before and after each text.
  static func around(beginning: Int32?, end: Int32?) -> SpecialTokenTemplate {
    func wrap(_ part: Part, type: Int32) -> [Part] {
      (beginning.map { [.token($0, type: type)] } ?? []) + [part]
        + (end.map { [.token($0, type: type)] } ?? [])
    }
    let first = wrap(.first(type: 0), type: 0)
    return SpecialTokenTemplate(single: first, pair: first + wrap(.second(type: 1), type: 1))
  }
}
