import PithJSON

extension TokenModel {
  /// Reads the `model` of a `tokenizer.json`.
  ///
  /// - Parameter isByteLevel: whether its tokens are spelled in GPT-2's letters.
  init(_ json: JSON, isByteLevel: Bool) throws(TokenizerError) {
    switch try Self.type(of: json) {
    case "BPE": self = .bytePairs(try BytePairEncoding(json, isByteLevel: isByteLevel))
    case "WordPiece":
      let vocabulary = try Vocabulary(json["vocab"], isByteLevel: false)
      self = .wordPiece(
        WordPiece(
          vocabulary, unknown: try vocabulary.required(json["unk_token"]?.string ?? "[UNK]"),
          continuingPrefix: json["continuing_subword_prefix"]?.utf8 ?? Array("##".utf8),
          longestWord: json["max_input_chars_per_word"]?.int ?? 100))
    case "Unigram": self = .unigram(try Unigram(json))
    case "WordLevel":
      let vocabulary = try Vocabulary(json["vocab"], isByteLevel: isByteLevel)
      self = .words(
        WordLevel(vocabulary: vocabulary, unknown: vocabulary.optional(json["unk_token"]?.string)))
    case let type:
      throw TokenizerError(
        "The model '\(type)' is not one that Pith knows: BPE, WordPiece, Unigram, WordLevel.")
    }
  }

  /// Old files do not name the type: a list of merges is a BPE's alone, and so on.
  private static func type(of json: JSON) throws(TokenizerError) -> String {
    if let type = json["type"]?.string { return type }
    if json["merges"] != nil { return "BPE" }
    if json["vocab"]?.kind == .array { return "Unigram" }
    return json["continuing_subword_prefix"] == nil ? "WordLevel" : "WordPiece"
  }
}

extension Vocabulary {
  /// The tokens of an object from contents to ids.
  init(_ json: JSON?, isByteLevel: Bool) throws(TokenizerError) {
    guard let members = json?.object else {
      throw TokenizerError("The tokenizer's model has no vocabulary; save the tokenizer again.")
    }
    self.init(capacity: members.count)
    for member in members {
      guard let id = member.value.int, let content = member.name.utf8 else {
        throw TokenizerError(
          "A token of the vocabulary has no whole number as its id; save the tokenizer again.")
      }
      var bytes = content
      if isByteLevel {
        bytes = []
        ByteAlphabet.append(bytesOf: content[...], to: &bytes)
      }
      try insert(bytes, id: id)
    }
  }

  func optional(_ token: String?) -> Int32? {
    guard let token else { return nil }
    let id = id(of: token)
    return id >= 0 ? id : nil
  }

  func required(_ token: String) throws(TokenizerError) -> Int32 {
    guard let id = optional(token) else {
      throw TokenizerError("The unknown token '\(token)' is not in the vocabulary; save the tokenizer again.")
    }
    return id
  }

  /// The tokens of the 256 bytes (`<0x00>` …), or nil if one is missing.
  func byteTokens() -> [Int32]? {
    let ids = (0...255).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return id(of: "<0x\(digits.count < 2 ? "0" : "")\(digits)>")
    }
    return ids.allSatisfy { $0 >= 0 } ? ids : nil
  }
}

extension BytePairEncoding {
  init(_ json: JSON, isByteLevel: Bool) throws(TokenizerError) {
    let vocabulary = try Vocabulary(json["vocab"], isByteLevel: isByteLevel)
    var options = Options()
    options.unknown = vocabulary.optional(json["unk_token"]?.string)
    options.fusesUnknown = json.flag("fuse_unk", default: false)
    options.byteTokens = json.flag("byte_fallback", default: false) ? vocabulary.byteTokens() : nil
    options.continuingPrefix = json["continuing_subword_prefix"]?.utf8 ?? []
    options.endOfWordSuffix = json["end_of_word_suffix"]?.utf8 ?? []
    options.ignoresMerges = json.flag("ignore_merges", default: false)
    options.isByteLevel = isByteLevel && options.continuingPrefix.isEmpty && options.endOfWordSuffix.isEmpty

    guard let entries = json["merges"]?.array else {
      throw TokenizerError("The tokenizer's model has no merges; save the tokenizer again.")
    }
    var merges = PairTable(capacity: entries.count)
    for (rank, entry) in entries.enumerated() {
      guard let (left, right) = Self.pair(entry) else {
        throw TokenizerError("Merge \(rank) is not a pair of tokens; save the tokenizer again.")
      }
      func bytes(_ letters: [UInt8]) -> [UInt8] {
        guard isByteLevel else { return letters }
        var bytes: [UInt8] = []
        ByteAlphabet.append(bytesOf: letters[...], to: &bytes)
        return bytes
      }
      let (first, second) = (bytes(left), bytes(right))
      let whole =
        first
        + second.dropFirst(second.starts(with: options.continuingPrefix) ? options.continuingPrefix.count : 0)
      let ids = (vocabulary.id(of: first), vocabulary.id(of: second), vocabulary.id(of: whole))
      guard ids.0 >= 0, ids.1 >= 0, ids.2 >= 0 else {
        throw TokenizerError(
          "Merge \(rank) names a token that is not in the vocabulary; save the tokenizer again.")
      }
      merges.insert(ids.0, ids.1, rank: rank, merged: ids.2)
    }
    self.init(vocabulary, merges: merges, options)
  }

  /// A merge is an array of two tokens or, in older files, both with a space between.
  private static func pair(_ entry: JSON) -> (left: [UInt8], right: [UInt8])? {
    if entry.kind == .array {
      guard entry.count == 2, let left = entry[0]?.utf8, let right = entry[1]?.utf8 else { return nil }
      return (left, right)
    }
    guard let text = entry.utf8, let space = text.firstIndex(of: UInt8(ascii: " ")) else { return nil }
    return (Array(text[..<space]), Array(text[(space + 1)...]))
  }
}

extension Unigram {
  init(_ json: JSON) throws(TokenizerError) {
    guard let entries = json["vocab"]?.array else {
      throw TokenizerError("The tokenizer's model has no vocabulary; save the tokenizer again.")
    }
    var vocabulary = Vocabulary(capacity: entries.count)
    var scores: [Double] = []
    for (id, entry) in entries.enumerated() {
      guard let token = entry[0]?.utf8, let score = entry[1]?.double, score.isFinite else {
        throw TokenizerError(
          "Token \(id) of the vocabulary has no content or no finite score; save the tokenizer again.")
      }
      try vocabulary.insert(token, id: id)
      scores.append(score)
    }
    let unknown = json["unk_id"]?.int
    if let unknown, !scores.indices.contains(unknown) {
      throw TokenizerError(
        "The unknown token's id \(unknown) is not in the vocabulary; save the tokenizer again.")
    }
    self.init(
      vocabulary, scores: scores, unknown: unknown.map { Int32($0) },
      byteTokens: json.flag("byte_fallback", default: false) ? vocabulary.byteTokens() : nil)
  }
}
