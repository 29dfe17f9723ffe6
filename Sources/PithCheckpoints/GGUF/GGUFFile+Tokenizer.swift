import PithJSON
import PithTokenizers

extension GGUFVocabulary {
  /// The tokenizer that a file's keys describe.
  ///
  /// - Throws: `CheckpointError` if the keys are missing or of the wrong type.
  public init(_ gguf: GGUFFile) throws(CheckpointError) {
    func key(_ name: String) -> GGUFValue? { gguf.metadata["tokenizer.ggml." + name] }
    guard let model = key("model")?.string, let tokens = key("tokens")?.array?.utf8 else {
      throw .badData(
        path: gguf.name, fault: "'tokenizer.ggml.model' or 'tokenizer.ggml.tokens' is missing",
        mend: "convert the model again with its tokenizer")
    }
    self.init(model: model, pre: key("pre")?.string ?? "default", tokens: tokens)
    scores = key("scores")?.array?.floats ?? []
    types = key("token_type")?.array?.ints ?? []
    merges = key("merges")?.array?.utf8 ?? []
    let roles = [
      "bos": "bos", "eos": "eos", "unknown": "unk", "seperator": "sep", "separator": "sep", "padding": "pad",
      "cls": "cls", "mask": "mask",
    ]
    for (name, role) in roles {
      if let id = key(name + "_token_id")?.int, tokens.indices.contains(id) { special[role] = id }
    }
    addsBeginning = key("add_bos_token")?.bool
    addsEnd = key("add_eos_token")?.bool
    addsSpace = key("add_space_prefix")?.bool
    characterMap = key("precompiled_charsmap")?.array?.ints?.map { UInt8(truncatingIfNeeded: $0) } ?? []
  }
}

extension Checkpoint {
  /// The tokenizer of a GGUF file as the files of a folder.
  func tokenizerFiles(of gguf: GGUFFile) throws(CheckpointError) -> [(name: String, bytes: [UInt8])] {
    let vocabulary = try GGUFVocabulary(gguf)
    var configuration = vocabulary.specialTokenNames()
    configuration["tokenizer_class"] = "PreTrainedTokenizerFast"
    if let template = gguf.metadata["tokenizer.chat_template"]?.string {
      configuration["chat_template"] = .string(template)
    }
    do throws(TokenizerError) {
      return [
        ("tokenizer.json", try vocabulary.tokenizerJSON()),
        ("tokenizer_config.json", configuration.serialized(.pretty)),
      ]
    } catch {
      throw .badData(path: gguf.name, fault: error.description)
    }
  }
}
