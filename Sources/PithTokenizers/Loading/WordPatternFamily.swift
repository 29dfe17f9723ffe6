/// What a GGUF file's `tokenizer.ggml.pre` stands for: how a family cuts text into words.
struct WordPatternFamily {
  var stages: [PreTokenizer]
  /// Whether a word that is a token as a whole is taken at once.
  var ignoresMerges = false
  var normalizesToNFC = false
  /// Whether the family begins each text with a token when the file does not say.
  var addsBeginning = false

  init(_ name: String) throws(TokenizerError) {
    func words(_ source: String) throws(TokenizerError) -> PreTokenizer {
      .split(.expression(try Pattern(source)), .isolated, inverts: false)
    }
    let digits = PreTokenizer.split(.scalars(.number), .isolated, inverts: false)
    switch name {
    case "default", "gpt-2", "gpt2", "phi-2", "olmo", "jais", "mpt", "jina-es", "jina-de", "roberta-bpe",
      "gigachat", "dbrx-gpt2":
      stages = [try words(KnownPatterns.gpt2)]
    case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
      stages = [digits, try words(KnownPatterns.gpt2)]
    case "llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral":
      stages = [try words(KnownPatterns.llama3)]
      ignoresMerges = true
      addsBeginning = true
    case "dbrx", "smaug-bpe", "glm4", "chatglm-bpe":
      stages = [try words(KnownPatterns.llama3)]
    case "qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez":
      stages = [try words(KnownPatterns.qwen2)]
      normalizesToNFC = name == "qwen2" || name == "deepseek-r1-qwen"
    case "gpt-4o", "llama4":
      stages = [try words(KnownPatterns.o200k)]
      ignoresMerges = name == "llama4"
    case "tekken":
      stages = [try words(KnownPatterns.tekken)]
      ignoresMerges = true
      addsBeginning = true
    case "deepseek-v3":
      stages = []
      for source in KnownPatterns.deepseek3 { stages.append(try words(source)) }
    default:
      throw TokenizerError(
        "The pre-tokenizer \"\(name.prefix(40))\" is not known; use the tokenizer.json of the model instead.")
    }
  }
}
