import PithJSON
import PithTensors
import PithTokenizers

extension Checkpoint {
  /// The tokenizer: of `tokenizer.json`, or of the GGUF file's own keys.
  ///
  /// - Throws: `CheckpointError` if there is none, `TokenizerError` if it is not one that Pith understands.
  public func tokenizer() throws -> Tokenizer {
    if let gguf { return try Tokenizer(try GGUFVocabulary(gguf)) }
    guard let json = try json("tokenizer.json") else {
      throw CheckpointError.missing(
        path: path + "/tokenizer.json", mend: "save the model with its fast tokenizer")
    }
    do {
      return try Tokenizer(tokenizerJSON: json, configuration: try self.json("tokenizer_config.json"))
    } catch let error as TokenizerError {
      throw CheckpointError.badData(path: path + "/tokenizer.json", fault: error.description)
    }
  }

  /// The chat template, or nil for a model that has none.
  ///
  /// - Throws: `ChatTemplateError` if it is not valid.
  public func chatTemplate() throws -> ChatTemplate? {
    if let gguf { return try gguf.metadata["tokenizer.chat_template"]?.string.map { try ChatTemplate($0) } }
    if let file = try data("chat_template.jinja") {
      return try ChatTemplate(file.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
    }
    guard let entry = try json("tokenizer_config.json")?["chat_template"] else { return nil }
    if let source = entry.string { return try ChatTemplate(source) }
    // Several templates by name: the one called default.
    let named = entry.array?.first { $0["name"]?.string == "default" }
    return try named?["template"]?.string.map { try ChatTemplate($0) }
  }

  /// The tokens that end a text.
  public func endTokens(_ tokenizer: Tokenizer) throws(CheckpointError) -> Set<Int32> {
    var ends = Set([tokenizer.endOfText].compactMap { $0 })
    if let gguf {
      for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        if let id = gguf.metadata["tokenizer.ggml." + key]?.int.flatMap({ Int32(exactly: $0) }) {
          ends.insert(id)
        }
      }
    }
    for file in ["generation_config.json", "config.json"] {
      guard let entry = try json(file)?["eos_token_id"] else { continue }
      let ids = entry.array.map { Array($0) } ?? [entry]
      ends.formUnion(ids.compactMap { $0.int.flatMap { Int32(exactly: $0) } })
    }
    return ends
  }

  /// How an encoder's states become one embedding.
  public struct Pooling: Sendable {
    /// The most tokens of a text that are read.
    public let maxTokens: Int
    /// Whether embeddings are scaled to length 1.
    public let normalizes: Bool
  }

  /// Reads what a sentence-transformers folder says about pooling; a plain one pools the mean of all tokens.
  ///
  /// - Throws: `CheckpointError` if the model pools in another way.
  public func pooling(contextLength: Int) throws(CheckpointError) -> Pooling {
    if let json = try json("1_Pooling/config.json") {
      let isMean =
        json["pooling_mode_mean_tokens"]?.bool ?? json["pooling_mode"].map { $0.isString("mean") } ?? true
      guard isMean else {
        throw .badData(
          path: path + "/1_Pooling/config.json", fault: "the model does not pool the mean of its tokens",
          mend: "use a model with mean pooling")
      }
    }
    let limit = try json("sentence_bert_config.json")?["max_seq_length"]?.int
    let modules = try json("modules.json")?.array.map { Array($0) } ?? []
    return Pooling(
      maxTokens: min(contextLength, max(2, limit ?? contextLength)),
      normalizes: modules.contains { $0["type"]?.string?.hasSuffix("Normalize") == true })
  }
}
