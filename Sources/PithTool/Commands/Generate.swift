import ArgumentParser
import Pith

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continues a text.",
    discussion:
      "The text is continued as it is; 'pith chat' writes it as a conversation for models trained on them.")

  @OptionGroup var model: ModelArguments

  @Argument(help: "The text to continue.")
  var prompt: String

  @OptionGroup var sampling: SamplingArguments

  func run() throws {
    let language = try model.loadLanguageModel()
    let (tokens, context) = (
      language.tokenizer.encode(prompt).count, language.decoder.configuration.contextLength
    )
    guard tokens > 0 else { throw Failure.usage("PROMPT is empty; give some text.") }
    guard tokens < context else {
      throw Failure.data(
        "PROMPT has \(tokens) tokens, but \(model.model) was made for texts of at most \(context): shorten it."
      )
    }
    let stream = language.generate(prompt, maxTokens: sampling.maxTokens, sampling: sampling.sampling)
    if model.json {
      let pieces: [String] = stream.map { $0 }
      Output.json(["prompt": .string(prompt), "text": .string(pieces.joined())])
    } else {
      Output.result(prompt, terminator: "")
      for piece: String in stream { Output.result(piece, terminator: "") }
      Output.result("")
    }
  }
}
