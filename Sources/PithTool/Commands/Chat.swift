import ArgumentParser
import Pith

struct Chat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Talks with a model that was trained on conversations.",
    discussion:
      "Reads one message per line from standard input; the end of the input (Ctrl-D) ends the conversation.")

  @Argument(help: "A folder in Hugging Face's layout, or a .gguf file.")
  var model: String

  @Option(help: "How many threads compute (default: one per core).")
  var threads: Int?

  @Option(help: "What the model is told beforehand.")
  var system: String?

  @OptionGroup var sampling: SamplingArguments

  func run() throws {
    let language = try LanguageModel(path: model, threads: threads)
    let session: ChatSession
    do {
      session = try ChatSession(language, system: system)
    } catch {
      throw Failure.data(
        "\(model): the model has no chat template; use 'pith generate', which continues plain text.")
    }
    while true {
      if Output.isTerminal { Output.say("> ", terminator: "") }
      guard let line = readLine() else { break }
      if line.allSatisfy(\.isWhitespace) { continue }
      do {
        try session.say(line, maxTokens: sampling.maxTokens, sampling: sampling.sampling) {
          Output.result($0, terminator: "")
        }
        Output.result("")
      } catch ChatSession.Fault.full(let context) {
        throw Failure.data(
          "The conversation no longer fits the model's context of \(context) tokens; start a new one.")
      }
    }
  }
}
