import PithJSON
import PithTokenizers

extension GGUFVocabulary {
  /// The tokenizer that a file's keys describe.
  ///
  /// - Throws: `CheckpointError` if the keys are missing or of the wrong type.
  public init(_ gguf: GGUFFile) throws(CheckpointError) {
    func key(_ name: String) -> GGUFValue? { gguf.metadata["tokenizer.ggml." + name] }
    func id(_ name: String) -> Int32? { key(name + "_token_id")?.int.flatMap { Int32(exactly: $0) } }
    guard let model = key("model")?.string, let tokens = key("tokens")?.array?.utf8 else {
      throw .badData(
        path: gguf.name, fault: "'tokenizer.ggml.model' or 'tokenizer.ggml.tokens' is missing",
        mend: "convert the model again with its tokenizer")
    }
    self.init(model: model, pre: key("pre")?.string, tokens: tokens)
    scores = key("scores")?.array?.floats ?? []
    types = key("token_type")?.array?.ints?.map { Int32(truncatingIfNeeded: $0) } ?? []
    merges = key("merges")?.array?.utf8 ?? []
    beginningOfText = id("bos")
    endOfText = id("eos")
    unknown = id("unknown")
    separator = id("seperator") ?? id("separator")
    padding = id("padding")
    classification = id("cls")
    mask = id("mask")
    addsBeginningOfText = key("add_bos_token")?.bool
    addsEndOfText = key("add_eos_token")?.bool
    addsSpacePrefix = key("add_space_prefix")?.bool
    removesExtraWhitespace = key("remove_extra_whitespaces")?.bool ?? false
    precompiledCharacterMap =
      key("precompiled_charsmap")?.array?.ints?.map { UInt8(truncatingIfNeeded: $0) } ?? []
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
