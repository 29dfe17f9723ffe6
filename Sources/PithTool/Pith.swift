import ArgumentParser

/// The command line: parses, calls, prints.
@main
struct PithCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pith",
    abstract: "Makes transformer language models small and fast, and measures what that cost.",
    discussion: """
      MODEL is a folder in Hugging Face's layout (config.json, *.safetensors, tokenizer.json) or a .gguf file.

        pith inspect model.gguf
        pith compress model.gguf -o small --method rtn --bits 4 --group-size 64
        pith evaluate small --text test.txt --against model.gguf
        pith generate small "The capital of France is"

      Results go to standard output, everything else to standard error. Exit codes: 0 done, 64 wrong usage, \
      65 bad data, 66 no such input, 73 output cannot be created, 74 reading or writing failed.
      """,
    subcommands: [
      Inspect.self, Compress.self, Evaluate.self, Bench.self, Generate.self, Chat.self, Embed.self,
      Train.self, Distill.self,
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      Failure.exit(error, of: self)
    }
  }
}
