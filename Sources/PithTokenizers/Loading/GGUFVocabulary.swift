import Foundation
import PithJSON

/// A tokenizer as the keys of a GGUF file describe it (`tokenizer.ggml.…`).
///
/// It becomes a `tokenizer.json` first: what is read from either kind of file goes through one door, and a model that
/// came as GGUF can be written as a folder.
public struct GGUFVocabulary: Sendable {
  /// `gpt2` (byte-level BPE), `llama` (sentencepiece BPE), `bert` (WordPiece) or `t5` (unigram).
  public var model: String
  /// How a byte-level BPE cuts text, by llama.cpp's name for it.
  public var pre: String
  /// The tokens by id.
  public var tokens: [[UInt8]]
  /// The tokens' scores; empty where the model has none.
  public var scores: [Float] = []
  /// The tokens' types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; empty for all normal.
  public var types: [Int] = []
  /// The merges of a byte-level BPE, each both tokens with a space between.
  public var merges: [[UInt8]] = []
  /// The ids of special tokens by their roles: `bos`, `eos`, `unk`, `sep`, `cls`, `pad`, `mask`.
  public var special: [String: Int] = [:]
  /// Whether a text begins with the `bos` token; nil for what the model usually does.
  public var addsBeginning: Bool?
  /// Whether a text ends with the `eos` token.
  public var addsEnd: Bool?
  /// Whether a space is put before a text; nil for what the model usually does.
  public var addsSpace: Bool?
  /// Sentencepiece's character map.
  public var characterMap: [UInt8] = []

  /// A vocabulary; what else the file says is set afterwards.
  public init(model: String, pre: String, tokens: [[UInt8]]) {
    self.model = model
    self.pre = pre
    self.tokens = tokens
  }

  private static let control = 3
  private static let userDefined = 4

  /// The tokenizer as a `tokenizer.json`.
  ///
  /// - Throws: `TokenizerError` if the model, or the way to cut text, is not one that is understood.
  public func tokenizerJSON() throws(TokenizerError) -> [UInt8] {
    guard types.isEmpty || types.count == tokens.count, scores.isEmpty || scores.count == tokens.count else {
      throw TokenizerError(
        "The vocabulary has \(tokens.count) tokens, but not as many types or scores; convert it again.")
    }
    var text = JSONText()
    text.append("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":")
    text.append(JSONValue.array(addedTokens()))
    for (name, value) in try stages() {
      text.append(",\"\(name)\":")
      text.append(value)
    }
    text.append(",\"model\":{")
    switch model {
    case "gpt2": appendBytePairs(&text)
    case "llama": try appendSentencePieces(&text)
    case "bert": appendWordPieces(&text)
    case "t5": try appendUnigram(&text)
    default:
      throw TokenizerError(
        "The tokenizer model '\(model)' is not one that Pith knows: gpt2, llama, bert, t5.")
    }
    text.append("}}")
    return text.bytes
  }

  /// The names of the special tokens, as a `tokenizer_config.json` lists them.
  public func specialTokenNames() -> JSONValue {
    var names: JSONValue = [:]
    for role in ["bos", "eos", "unk", "sep", "pad", "cls", "mask"] {
      if let id = special[role], tokens.indices.contains(id) { names[role + "_token"] = .string(name(id)) }
    }
    return names
  }

  private func name(_ id: Int) -> String { String(decoding: tokens[id], as: UTF8.self) }

  private func addedTokens() -> [JSONValue] {
    types.indices.filter { types[$0] == Self.control || types[$0] == Self.userDefined }.map { id in
      [
        "id": .int(id), "content": .string(name(id)), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": .bool(types[id] == Self.control),
      ]
    }
  }

  // MARK: - Stages

  private func stages() throws(TokenizerError) -> KeyValuePairs<String, JSONValue> {
    switch model {
    case "gpt2":
      let (normalizer, preTokenizer) = try byteLevelStages()
      return [
        "normalizer": normalizer, "pre_tokenizer": preTokenizer,
        "post_processor": postProcessor(beginning: addsBeginning ?? false), "decoder": ["type": "ByteLevel"],
      ]
    case "bert":
      return [
        "normalizer": [
          "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": true,
        ],
        "pre_tokenizer": ["type": "BertPreTokenizer"], "post_processor": bertProcessor(),
        "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": true],
      ]
    case "t5":
      let map: JSONValue =
        characterMap.isEmpty
        ? .null
        : ["type": "Precompiled", "precompiled_charsmap": .string(Data(characterMap).base64EncodedString())]
      let mark: JSONValue = [
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": addsSpace ?? true ? "always" : "never",
      ]
      return [
        "normalizer": map, "pre_tokenizer": mark,
        "post_processor": postProcessor(beginning: addsBeginning ?? false),
        "decoder": mark,
      ]
    default:
      let addsSpace = addsSpace ?? true
      let mark: JSONValue = ["type": "Replace", "pattern": ["String": " "], "content": "▁"]
      let space: JSONValue = ["type": "Replace", "pattern": ["String": "▁"], "content": " "]
      let decoders: [JSONValue] = [space, ["type": "ByteFallback"], ["type": "Fuse"]]
      return [
        "normalizer": addsSpace
          ? ["type": "Sequence", "normalizers": [["type": "Prepend", "prepend": "▁"], mark]] : mark,
        "pre_tokenizer": .null, "post_processor": postProcessor(beginning: addsBeginning ?? true),
        "decoder": [
          "type": "Sequence",
          "decoders": .array(
            decoders + (addsSpace ? [["type": "Strip", "content": " ", "start": 1, "stop": 0]] : [])),
        ],
      ]
    }
  }

  private func byteLevelStages() throws(TokenizerError) -> (normalizer: JSONValue, preTokenizer: JSONValue) {
    func cut(_ pattern: String) -> JSONValue {
      let split: JSONValue = [
        "type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false,
      ]
      return ["type": "Sequence", "pretokenizers": [split, byteLevel(cuts: false)]]
    }
    func byteLevel(cuts: Bool) -> JSONValue {
      [
        "type": "ByteLevel", "add_prefix_space": .bool(addsSpace ?? false), "trim_offsets": false,
        "use_regex": .bool(cuts),
      ]
    }
    switch pre {
    case "gpt-2", "default", "": return (.null, byteLevel(cuts: true))
    case "smollm":
      let digits: JSONValue = ["type": "Digits", "individual_digits": true]
      return (.null, ["type": "Sequence", "pretokenizers": [digits, byteLevel(cuts: true)]])
    case "llama-bpe", "llama3", "llama-v3": return (.null, cut(BytePairPatterns.llama3))
    case "qwen2": return (["type": "NFC"], cut(BytePairPatterns.qwen2))
    case "tekken": return (.null, cut(BytePairPatterns.tekken))
    default:
      throw TokenizerError(
        "The way '\(pre)' to cut text is not one that Pith knows: gpt-2, smollm, llama-bpe, qwen2, tekken.")
    }
  }

  private func postProcessor(beginning addsBeginning: Bool) -> JSONValue {
    var parts: [JSONValue] = []
    var known: JSONValue = [:]
    func add(_ role: String) {
      guard let id = special[role], tokens.indices.contains(id) else { return }
      parts.append(["SpecialToken": ["id": .string(name(id)), "type_id": 0]])
      known[name(id)] = ["id": .string(name(id)), "ids": [.int(id)], "tokens": [.string(name(id))]]
    }
    if addsBeginning { add("bos") }
    parts.append(["Sequence": ["id": "A", "type_id": 0]])
    if addsEnd ?? (model == "t5") { add("eos") }
    if parts.count == 1 { return .null }
    let second: JSONValue = ["Sequence": ["id": "B", "type_id": 1]]
    return [
      "type": "TemplateProcessing", "single": .array(parts), "pair": .array(parts + [second]),
      "special_tokens": known,
    ]
  }

  private func bertProcessor() -> JSONValue {
    func token(_ role: String, _ usual: String) -> JSONValue {
      let id = special[role] ?? tokens.firstIndex(of: Array(usual.utf8)) ?? 0
      return [.string(usual), .int(id)]
    }
    return ["type": "BertProcessing", "sep": token("sep", "[SEP]"), "cls": token("cls", "[CLS]")]
  }

  // MARK: - Models

  private func appendBytePairs(_ text: inout JSONText) {
    let ignores = ["llama-bpe", "llama3", "llama-v3", "tekken"].contains(pre)
    text.append("\"type\":\"BPE\",\"byte_fallback\":false,\"ignore_merges\":\(ignores),")
    appendVocabulary(tokens.enumerated().map { ($0, $1) }, &text)
    text.append(",\"merges\":[")
    for (index, merge) in merges.enumerated() {
      if index > 0 { text.append(",") }
      text.append(string: merge)
    }
    text.append("]")
  }

  /// Sentencepiece merges neighbours whose union is a token, the best score first: the list of merges says the same.
  private func appendSentencePieces(_ text: inout JSONText) throws(TokenizerError) {
    guard !scores.isEmpty else {
      throw TokenizerError("The vocabulary has no scores; convert the model again.")
    }
    let unknown = special["unk"] ?? types.firstIndex(of: 2)
    let name: JSONValue =
      unknown.flatMap { tokens.indices.contains($0) ? .string(self.name($0)) : nil } ?? .null
    text.append("\"type\":\"BPE\",\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":")
    text.append(name)
    text.append(",")
    appendVocabulary(tokens.enumerated().map { ($0, $1) }, &text)
    text.append(",\"merges\":[")
    for (index, merge) in try sentencePieceMerges().enumerated() {
      if index > 0 { text.append(",") }
      text.append("[")
      text.append(string: tokens[merge.left])
      text.append(",")
      text.append(string: tokens[merge.right])
      text.append("]")
    }
    text.append("]")
  }

  private func sentencePieceMerges() throws(TokenizerError) -> [(left: Int, right: Int, whole: Int)] {
    var vocabulary = Vocabulary(capacity: tokens.count)
    for (id, token) in tokens.enumerated() { try vocabulary.insert(token, id: id) }
    var merges: [(left: Int, right: Int, whole: Int)] = []
    for (whole, token) in tokens.enumerated() where types.isEmpty || types[whole] != Self.control {
      token.withUnsafeBufferPointer { bytes in
        for cut in 1..<max(1, bytes.count) where bytes[cut] & 0xC0 != 0x80 {
          let left = vocabulary.id(of: bytes.part(0..<cut))
          let right = vocabulary.id(of: bytes.part(cut..<bytes.count))
          if left >= 0, right >= 0 { merges.append((Int(left), Int(right), whole)) }
        }
      }
    }
    // Of merges with one score, those with the longer left part first, as the reference's conversion puts them.
    merges.sort { a, b in
      if scores[a.whole] != scores[b.whole] { return scores[a.whole] > scores[b.whole] }
      let (x, y) = (tokens[a.left].count, tokens[b.left].count)
      return x != y ? x > y : (a.whole, a.left) < (b.whole, b.left)
    }
    return merges
  }

  /// llama.cpp marks the beginnings of words and leaves their continuations plain; WordPiece does it the other way.
  private func appendWordPieces(_ text: inout JSONText) {
    let mark = Array("▁".utf8)
    let pieces = tokens.enumerated().map { id, token in
      if !types.isEmpty, types[id] == Self.control { return (id, token) }
      return (id, token.starts(with: mark) ? Array(token.dropFirst(mark.count)) : Array("##".utf8) + token)
    }
    text.append("\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\",")
    text.append("\"max_input_chars_per_word\":100,")
    appendVocabulary(pieces, &text)
  }

  private func appendUnigram(_ text: inout JSONText) throws(TokenizerError) {
    guard !scores.isEmpty else {
      throw TokenizerError("The vocabulary has no scores; convert the model again.")
    }
    text.append(
      "\"type\":\"Unigram\",\"unk_id\":\(special["unk"] ?? types.firstIndex(of: 2) ?? 0),\"vocab\":[")
    for (id, token) in tokens.enumerated() {
      if id > 0 { text.append(",") }
      text.append("[")
      text.append(string: token)
      text.append(",\(scores[id])]")
    }
    text.append("]")
  }

  private func appendVocabulary(_ entries: [(id: Int, token: [UInt8])], _ text: inout JSONText) {
    text.append("\"vocab\":{")
    for (index, entry) in entries.enumerated() {
      if index > 0 { text.append(",") }
      text.append(string: entry.token)
      text.append(":\(entry.id)")
    }
    text.append("}")
  }
}

extension Tokenizer {
  /// Reads a tokenizer from a GGUF file's keys.
  ///
  /// - Throws: `TokenizerError` naming what is missing, wrong, or not understood.
  public init(_ vocabulary: GGUFVocabulary) throws(TokenizerError) {
    let text = try vocabulary.tokenizerJSON()
    let names = vocabulary.specialTokenNames().serialized()
    let json: JSON
    let configuration: JSON
    do throws(JSONError) {
      json = try JSON(parsing: text)
      configuration = try JSON(parsing: names)
    } catch {
      throw TokenizerError(
        "The vocabulary names a token twice, or is not text (\(error)); convert the model again.")
    }
    try self.init(tokenizerJSON: json, configuration: configuration)
  }
}
