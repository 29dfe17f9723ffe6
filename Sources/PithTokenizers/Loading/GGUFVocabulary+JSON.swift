import PithJSON

/// The vocabulary as the files of a Hugging Face folder, for a model that came as GGUF and is written as a folder.
extension GGUFVocabulary {
  /// The tokenizer as a `tokenizer.json`, which encodes and decodes as this vocabulary does.
  ///
  /// - Throws: `TokenizerError` if the model is not one of a decoder (`gpt2`, `llama`), or contradicts itself.
  public func tokenizerJSON() throws(TokenizerError) -> [UInt8] {
    _ = try definition()
    var text = JSONText()
    text.append("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":")
    text.append(JSONValue.array(addedTokens()))
    switch model {
    case "gpt2":
      let family = try WordPatternFamily(pre ?? "default")
      text.append(",\"normalizer\":")
      text.append(family.normalizesToNFC ? ["type": "NFC"] : JSONValue.null)
      text.append(",\"pre_tokenizer\":")
      text.append(preTokenizer(family))
      text.append(",\"decoder\":{\"type\":\"ByteLevel\"},\"post_processor\":")
      text.append(postProcessor(beginning: family.addsBeginning))
      text.append(",\"model\":")
      appendBytePairs(family, &text)
    case "llama":
      appendSentencePieceStages(&text)
      text.append(",\"post_processor\":")
      text.append(postProcessor(beginning: true))
      text.append(",\"model\":")
      try appendSentencePieces(&text)
    default:
      throw TokenizerError("The tokenizer model '\(model.prefix(40))' is not that of a decoder; gpt2 and llama are.")
    }
    text.append("}")
    return text.bytes
  }

  /// The names of the special tokens, as a `tokenizer_config.json` lists them.
  public func specialTokenNames() -> JSONValue {
    var names: JSONValue = [:]
    let roles: KeyValuePairs = [
      "bos_token": beginningOfText, "eos_token": endOfText, "unk_token": unknown, "pad_token": padding,
    ]
    for (role, id) in roles {
      if let id, tokens.indices.contains(Int(id)) { names[role] = .string(name(Int(id))) }
    }
    return names
  }

  private func name(_ id: Int) -> String { String(decoding: tokens[id], as: UTF8.self) }

  private func addedTokens() -> [JSONValue] {
    tokens.indices.filter { [.control, .userDefined, .unknown].contains(type($0)) }.map { id in
      [
        "id": .int(id), "content": .string(name(id)), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": .bool(type(id) != .userDefined),
      ]
    }
  }

  // MARK: - Stages

  private func preTokenizer(_ family: WordPatternFamily) -> JSONValue {
    let cuts: [JSONValue] = family.steps.map { step in
      switch step {
      case .digits: ["type": "Digits", "individual_digits": true]
      case .words(let pattern):
        ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false]
      }
    }
    let letters: JSONValue = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
    ]
    return ["type": "Sequence", "pretokenizers": .array(cuts + [letters])]
  }

  private func appendSentencePieceStages(_ text: inout JSONText) {
    let addsSpace = addsSpacePrefix ?? true
    let mark: JSONValue = ["type": "Replace", "pattern": ["String": " "], "content": "▁"]
    let prepend: JSONValue = ["type": "Prepend", "prepend": "▁"]
    var decoders: [JSONValue] = [
      ["type": "Replace", "pattern": ["String": "▁"], "content": " "], ["type": "ByteFallback"], ["type": "Fuse"],
    ]
    if addsSpace { decoders.append(["type": "Strip", "content": " ", "start": 1, "stop": 0]) }
    text.append(",\"normalizer\":")
    text.append(addsSpace ? ["type": "Sequence", "normalizers": [prepend, mark]] : mark)
    text.append(",\"pre_tokenizer\":null,\"decoder\":")
    text.append(["type": "Sequence", "decoders": .array(decoders)])
  }

  private func postProcessor(beginning addsBeginning: Bool) -> JSONValue {
    var parts: [JSONValue] = []
    var known: JSONValue = [:]
    func add(_ id: Int32?) {
      guard let id, tokens.indices.contains(Int(id)) else { return }
      let name = name(Int(id))
      parts.append(["SpecialToken": ["id": .string(name), "type_id": 0]])
      known[name] = ["id": .string(name), "ids": [.int(Int(id))], "tokens": [.string(name)]]
    }
    if addsBeginningOfText ?? addsBeginning { add(beginningOfText) }
    parts.append(["Sequence": ["id": "A", "type_id": 0]])
    if addsEndOfText ?? false { add(endOfText) }
    if parts.count == 1 { return .null }
    let second: JSONValue = ["Sequence": ["id": "B", "type_id": 1]]
    return [
      "type": "TemplateProcessing", "single": .array(parts), "pair": .array(parts + [second]), "special_tokens": known,
    ]
  }

  // MARK: - Models

  private func appendBytePairs(_ family: WordPatternFamily, _ text: inout JSONText) {
    text.append("{\"type\":\"BPE\",\"byte_fallback\":false,\"ignore_merges\":\(family.ignoresMerges),")
    appendVocabulary(&text)
    text.append(",\"merges\":[")
    for (index, merge) in merges.enumerated() {
      if index > 0 { text.append(",") }
      text.append(string: merge)
    }
    text.append("]}")
  }

  /// Sentencepiece joins neighbours whose union is a token, the best score first: the list of merges says the same.
  private func appendSentencePieces(_ text: inout JSONText) throws(TokenizerError) {
    text.append("{\"type\":\"BPE\",\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":")
    text.append(string: tokens[Int(unknown ?? 0)])
    text.append(",")
    appendVocabulary(&text)
    text.append(",\"merges\":[")
    for (index, merge) in try sentencePieceMerges().enumerated() {
      if index > 0 { text.append(",") }
      text.append("[")
      text.append(string: tokens[merge.left])
      text.append(",")
      text.append(string: tokens[merge.right])
      text.append("]")
    }
    text.append("]}")
  }

  private func sentencePieceMerges() throws(TokenizerError) -> [(left: Int, right: Int, whole: Int)] {
    let vocabulary = try vocabulary()
    var merges: [(left: Int, right: Int, whole: Int)] = []
    for (whole, token) in tokens.enumerated() where [.normal, .userDefined].contains(type(whole)) {
      for cut in token.indices.dropFirst() where token[cut] & 0xC0 != 0x80 {
        let (left, right) = (vocabulary.id(of: Array(token[..<cut])), vocabulary.id(of: Array(token[cut...])))
        if left >= 0, right >= 0 { merges.append((Int(left), Int(right), whole)) }
      }
    }
    let scores = scores.isEmpty ? [Float](repeating: 0, count: tokens.count) : scores
    // Of equal scores the lower id joins first; of the ways to make one token, that with the longer left part.
    merges.sort { a, b in
      if scores[a.whole] != scores[b.whole] { return scores[a.whole] > scores[b.whole] }
      return a.whole != b.whole ? a.whole < b.whole : tokens[a.left].count > tokens[b.left].count
    }
    return merges
  }

  private func appendVocabulary(_ text: inout JSONText) {
    text.append("\"vocab\":{")
    for (id, token) in tokens.enumerated() {
      if id > 0 { text.append(",") }
      text.append(string: token)
      text.append(":\(id)")
    }
    text.append("}")
  }
}
