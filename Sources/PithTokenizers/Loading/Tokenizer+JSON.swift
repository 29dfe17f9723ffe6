import PithJSON

extension Tokenizer {
  /// Reads a tokenizer as Hugging Face's library writes it.
  ///
  /// - Parameters:
  ///   - json: the contents of `tokenizer.json`.
  ///   - configuration: the contents of `tokenizer_config.json`, which names the special tokens.
  /// - Throws: `TokenizerError` naming what is missing, wrong, or not understood.
  public init(tokenizerJSON json: JSON, configuration: JSON? = nil) throws(TokenizerError) {
    guard json.kind == .object, let modelJSON = json["model"], modelJSON.kind == .object else {
      throw TokenizerError("The tokenizer has no model; save it again with the tokenizers library.")
    }
    normalizer = try json.step("normalizer").map { step throws(TokenizerError) in try Normalizer(step) }
    preTokenizer = try json.step("pre_tokenizer").map { step throws(TokenizerError) in try PreTokenizer(step)
    }
    decoder = try json.step("decoder").map { step throws(TokenizerError) in try TokenDecoder(step) }
    isByteLevel = preTokenizer?.isByteLevel ?? false
    model = try TokenModel(modelJSON, isByteLevel: isByteLevel)

    var tokens: [AddedTokens.Token] = []
    for entry in json["added_tokens"]?.array ?? .empty { tokens.append(try AddedTokens.Token(entry)) }
    added = AddedTokens(tokens, normalizer: normalizer)
    postProcessor = try PostProcessor(json.step("post_processor"))

    var named: [String: String] = [:]
    for member in configuration?.object ?? .empty where member.key.hasSuffix("_token") {
      if let text = member.value.string ?? member.value["content"]?.string { named[member.key] = text }
    }
    namedTokens = named
    func id(_ role: String) -> Int32? {
      named[role].flatMap { name in
        let content = Array(name.utf8)
        return tokens.first { $0.content == content }?.id
      }
    }
    beginningOfText = id("bos_token")
    endOfText = id("eos_token")
  }
}

extension JSON {
  /// A step of a tokenizer, or nil where there is none.
  func step(_ name: String) -> JSON? { self[name].flatMap { $0.isNull ? nil : $0 } }

  /// The text of a member.
  func text(_ name: String) throws(TokenizerError) -> String {
    guard let text = self[name]?.string else {
      throw TokenizerError("A step of the tokenizer lacks the text '\(name)'; save the tokenizer again.")
    }
    return text
  }

  /// The truth value of a member, or what it is by default.
  func flag(_ name: String, default fallback: Bool) -> Bool { self[name]?.bool ?? fallback }

  /// The parts of a sequence of steps, which may not nest without end.
  func steps(_ name: String) throws(TokenizerError) -> JSON.Elements {
    guard let steps = self[name]?.array else {
      throw TokenizerError("A sequence of steps lacks '\(name)'; save the tokenizer again.")
    }
    return steps
  }

  /// A pattern that is a text or a regular expression.
  func pattern() throws(TokenizerError) -> Pattern {
    guard let pattern = self["pattern"] else {
      throw TokenizerError("A step of the tokenizer lacks its pattern; save the tokenizer again.")
    }
    if let text = pattern.string ?? pattern["String"]?.string { return try Pattern.literal(text) }
    return try Pattern(try pattern.text("Regex"))
  }
}

extension AddedTokens.Token {
  init(_ json: JSON) throws(TokenizerError) {
    guard let id = json["id"]?.int.flatMap({ Int32(exactly: $0) }), id >= 0, id < 1 << 28,
      let content = json["content"]?.utf8
    else { throw TokenizerError("An added token lacks a valid id or its content; save the tokenizer again.") }
    self.init(
      id: id, content: content, isSpecial: json.flag("special", default: false),
      takesLeft: json.flag("lstrip", default: false), takesRight: json.flag("rstrip", default: false),
      isWord: json.flag("single_word", default: false), isNormalized: json.flag("normalized", default: true))
  }
}

extension Normalizer {
  init(_ json: JSON) throws(TokenizerError) {
    switch try json.text("type") {
    case "Sequence":
      var steps: [Normalizer] = []
      for step in try json.steps("normalizers") { steps.append(try Normalizer(step)) }
      self = .sequence(steps)
    case "NFC": self = .unicode(.nfc)
    case "NFD": self = .unicode(.nfd)
    case "NFKC": self = .unicode(.nfkc)
    case "NFKD": self = .unicode(.nfkd)
    case "Lowercase": self = .lowercase
    case "Strip":
      self = .strip(
        left: json.flag("strip_left", default: true), right: json.flag("strip_right", default: true))
    case "StripAccents": self = .stripAccents
    case "Replace": self = .replace(try json.pattern(), with: Array(try json.text("content").utf8))
    case "Prepend": self = .prepend(Array(try json.text("prepend").utf8))
    case "BertNormalizer":
      let lowercases = json.flag("lowercase", default: true)
      self = .bert(
        BertNormalizer(
          cleansText: json.flag("clean_text", default: true),
          setsIdeographsApart: json.flag("handle_chinese_chars", default: true),
          stripsAccents: json.flag("strip_accents", default: lowercases), lowercases: lowercases))
    case "Precompiled": self = .precompiled(try PrecompiledMap(base64: try json.text("precompiled_charsmap")))
    case "Nmt": self = .nmt
    case "ByteLevel": self = .byteLevel
    case let type:
      throw TokenizerError("The normalizer '\(type)' is not one that Pith knows; use another tokenizer.")
    }
  }
}

extension PreTokenizer {
  /// GPT-2's way to cut a text into words.
  static let gpt2Pattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  init(_ json: JSON) throws(TokenizerError) {
    switch try json.text("type") {
    case "Sequence":
      var steps: [PreTokenizer] = []
      for step in try json.steps("pretokenizers") { steps.append(try PreTokenizer(step)) }
      self = .sequence(steps)
    case "ByteLevel":
      self = .byteLevel(
        addsPrefixSpace: json.flag("add_prefix_space", default: true),
        json.flag("use_regex", default: true) ? try Pattern(Self.gpt2Pattern) : nil)
    case "Split":
      self = .split(
        try json.pattern(), try SplitBehavior(json), isInverted: json.flag("invert", default: false))
    case "Digits": self = .digits(individually: json.flag("individual_digits", default: false))
    case "Punctuation": self = .punctuation(json["behavior"] == nil ? .isolated : try SplitBehavior(json))
    case "Whitespace": self = .split(try Pattern(#"\w+|[^\w\s]+"#), .removed, isInverted: true)
    case "WhitespaceSplit": self = .whitespaceSplit
    case "BertPreTokenizer": self = .bert
    case "Metaspace": self = .metaspace(try Metaspace(json))
    case let type:
      throw TokenizerError("The pre-tokenizer '\(type)' is not one that Pith knows; use another tokenizer.")
    }
  }
}

extension SplitBehavior {
  init(_ json: JSON) throws(TokenizerError) {
    let name = try json.text("behavior")
    guard let behavior = SplitBehavior(rawValue: name) else {
      throw TokenizerError(
        "The split behavior '\(name)' is not one that Pith knows; save the tokenizer again.")
    }
    self = behavior
  }
}

extension Metaspace {
  init(_ json: JSON) throws(TokenizerError) {
    replacement = json["replacement"]?.utf8 ?? Array("▁".utf8)
    guard String(decoding: replacement, as: UTF8.self).unicodeScalars.count == 1 else {
      throw TokenizerError("The visible space must be one character; save the tokenizer again.")
    }
    splits = json.flag("split", default: true)
    switch json["prepend_scheme"]?.string
      ?? (json.flag("add_prefix_space", default: true) ? "always" : "never")
    {
    case "always": prepending = .always
    case "never": prepending = .never
    case "first": prepending = .first
    case let scheme: throw TokenizerError("The prepend scheme '\(scheme)' is not one that Pith knows.")
    }
  }
}

extension PostProcessor {
  init(_ json: JSON?) throws(TokenizerError) {
    guard let json else { return }
    switch try json.text("type") {
    case "ByteLevel": break
    case "Sequence":
      for step in try json.steps("processors") where step["type"]?.string != "ByteLevel" {
        self = try PostProcessor(step)
      }
    case "TemplateProcessing":
      single = try Self.parts(json, "single")
      pair = try Self.parts(json, "pair")
    case "BertProcessing":
      let (separator, beginning) = (try Self.token(json, "sep"), try Self.token(json, "cls"))
      single = [.token(beginning, type: 0), .first(type: 0), .token(separator, type: 0)]
      pair = single + [.second(type: 1), .token(separator, type: 1)]
    case "RobertaProcessing":
      let (separator, beginning) = (try Self.token(json, "sep"), try Self.token(json, "cls"))
      single = [.token(beginning, type: 0), .first(type: 0), .token(separator, type: 0)]
      pair = single + [.token(separator, type: 0), .second(type: 0), .token(separator, type: 0)]
    case let type:
      throw TokenizerError("The post-processor '\(type)' is not one that Pith knows; use another tokenizer.")
    }
  }

  private static func token(_ json: JSON, _ name: String) throws(TokenizerError) -> Int32 {
    guard let id = json[name]?[1]?.int.flatMap({ Int32(exactly: $0) }) else {
      throw TokenizerError("The post-processor lacks the token '\(name)'; save the tokenizer again.")
    }
    return id
  }

  private static func parts(_ json: JSON, _ name: String) throws(TokenizerError) -> [Part] {
    var parts: [Part] = []
    for entry in try json.steps(name) {
      if let sequence = entry["Sequence"] {
        let type = Int32(clamping: sequence["type_id"]?.int ?? 0)
        parts.append(sequence["id"]?.string == "B" ? .second(type: type) : .first(type: type))
      } else if let special = entry["SpecialToken"] {
        let type = Int32(clamping: special["type_id"]?.int ?? 0)
        let name = try special.text("id")
        guard let ids = json["special_tokens"]?[name]?["ids"]?.array else {
          throw TokenizerError(
            "The post-processor does not say what its token '\(name)' is; save the tokenizer again.")
        }
        for id in ids { parts.append(.token(Int32(clamping: id.int ?? 0), type: type)) }
      }
    }
    return parts
  }
}

extension TokenDecoder {
  init(_ json: JSON) throws(TokenizerError) {
    switch try json.text("type") {
    case "Sequence":
      var steps: [TokenDecoder] = []
      for step in try json.steps("decoders") { steps.append(try TokenDecoder(step)) }
      self = .sequence(steps)
    case "ByteLevel": self = .byteLevel
    case "WordPiece":
      self = .wordPiece(
        prefix: json["prefix"]?.utf8 ?? Array("##".utf8), cleansUp: json.flag("cleanup", default: true))
    case "Metaspace":
      let metaspace = try Metaspace(json)
      self = .metaspace(replacement: metaspace.replacement, dropsFirst: metaspace.prepending != .never)
    case "ByteFallback": self = .byteFallback
    case "Fuse": self = .fuse
    case "Strip":
      self = .strip(
        content: Array(try json.text("content").utf8), start: min(64, max(0, json["start"]?.int ?? 0)),
        stop: min(64, max(0, json["stop"]?.int ?? 0)))
    case "Replace": self = .replace(try json.pattern(), with: Array(try json.text("content").utf8))
    case "BPEDecoder": self = .wordSuffix(json["suffix"]?.utf8 ?? Array("</w>".utf8))
    case let type:
      throw TokenizerError("The decoder '\(type)' is not one that Pith knows; use another tokenizer.")
    }
  }
}
