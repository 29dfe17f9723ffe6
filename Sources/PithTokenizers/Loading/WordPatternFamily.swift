/// What a GGUF file's `tokenizer.ggml.pre` stands for: how a family cuts text into words.
struct WordPatternFamily {
  /// A way to cut: digits apart from one another, or words by a regular expression.
  enum Step {
    case digits
    case words(String)
  }

  /// The cuts, one after the other.
  let steps: [Step]
  /// Whether a word that is a token as a whole is taken at once.
  var ignoresMerges = false
  var normalizesToNFC = false
  /// Whether the family begins each text with a token when the file does not say.
  var addsBeginning = false

  init(_ name: String) throws(TokenizerError) {
    switch name {
    case "default", "gpt-2", "gpt2", "phi-2", "olmo", "jais", "mpt", "jina-es", "jina-de", "roberta-bpe",
      "gigachat", "dbrx-gpt2":
      steps = [.words(KnownPatterns.gpt2)]
    case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
      steps = [.digits, .words(KnownPatterns.gpt2)]
    case "llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral":
      steps = [.words(KnownPatterns.llama3)]
      ignoresMerges = true
      addsBeginning = true
    case "dbrx", "smaug-bpe", "glm4", "chatglm-bpe":
      steps = [.words(KnownPatterns.llama3)]
    case "qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez":
      steps = [.words(KnownPatterns.qwen2)]
      normalizesToNFC = name == "qwen2" || name == "deepseek-r1-qwen"
    case "gpt-4o", "llama4":
      steps = [.words(KnownPatterns.o200k)]
      ignoresMerges = name == "llama4"
    case "tekken":
      steps = [.words(KnownPatterns.tekken)]
      ignoresMerges = true
      addsBeginning = true
    case "deepseek-v3":
      steps = KnownPatterns.deepseek3.map(Step.words)
    default:
      throw TokenizerError(
        "The pre-tokenizer \"\(name.prefix(40))\" is not known; use the tokenizer.json of the model instead.")
    }
  }

  /// The cuts as stages of a tokenizer.
  func stages() throws(TokenizerError) -> [PreTokenizer] {
    var stages: [PreTokenizer] = []
    for step in steps {
      switch step {
      case .digits: stages.append(.split(.scalars(.number), .isolated, inverts: false))
      case .words(let source):
        stages.append(.split(.expression(try Pattern(source)), .isolated, inverts: false))
      }
    }
    return stages
  }
}
