import ArgumentParser
import Pith
import PithJSON

struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns texts into vectors.",
    discussion: "Prints one line per text: the numbers of its embedding, separated by spaces.")

  @OptionGroup var model: ModelArguments

  @Argument(help: "The texts.")
  var texts: [String]

  func run() throws {
    let encoder = try TextEncoder(path: model.model, threads: model.threads)
    let embeddings = encoder.embed(texts)
    if model.json {
      Output.json(
        .array(
          texts.enumerated().map { row, text in
            ["text": .string(text), "embedding": .array(embeddings[row: row].map { .double(Double($0)) })]
          }))
    } else {
      for row in texts.indices { Output.result(embeddings[row: row].map { "\($0)" }.joined(separator: " ")) }
    }
  }
}
