import ArgumentParser
import Pith
import PithEvaluation
import PithJSON
import PithTensors

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures quality: perplexity and closeness to a reference, or a task.",
    discussion: """
      A decoder reads a text in windows that do not overlap; every token of a window but the first is predicted. \
      With --against, KL(reference ‖ model) in nats and the share of positions at which both find the same token \
      most likely are measured on the same windows. No token is put before a window, and a line end of Windows is read \
      as a line feed.

        pith evaluate small --text test.txt --max-windows 40 --against model.gguf
        pith evaluate small --text test.txt --against model.gguf --keep-reference model.states
        pith evaluate encoder --stsb test.tsv
        pith evaluate classifier --sst2 test.tsv
      """)

  @OptionGroup var model: ModelArguments

  @Option(help: "A UTF-8 text that a decoder predicts.")
  var text: String?

  @Option(help: "Tokens per window.")
  var window = 512

  @Option(help: "The most windows that are read (default: all).")
  var maxWindows: Int?

  @Option(help: "The model to compare with, of the same vocabulary: usually the original.")
  var against: String?

  @Option(
    help:
      "A file that keeps what the model of --against makes of the text: the next measurement takes half as long."
  )
  var keepReference: String?

  @Option(help: "STS-B's pairs of sentences, for an encoder: Spearman's correlation with people's scores.")
  var stsb: String?

  @Option(help: "SST-2's sentences, for an encoder with a classification head: accuracy.")
  var sst2: String?

  func validate() throws {
    let given = [text, stsb, sst2].compactMap { $0 }.count
    if given != 1 { throw ValidationError("Give one of --text, --stsb and --sst2.") }
    if window < 2 { throw ValidationError("--window must be at least 2.") }
    if let maxWindows, maxWindows < 1 { throw ValidationError("--max-windows must be at least 1.") }
    if against != nil, text == nil { throw ValidationError("--against needs --text.") }
    if keepReference != nil, against == nil {
      throw ValidationError(
        "--keep-reference keeps what the model of --against makes of the text: name that model too.")
    }
  }

  func run() throws {
    var report: JSONValue = ["model": .string(model.model)]
    var lines: [String] = []
    if let text {
      let quality = try language(text, &report)
      guard quality.perplexity.isFinite else {
        throw Failure.data(
          "\(model.model): what it makes of the text is no number, so its weights hold NaN or infinities; repair the checkpoint."
        )
      }
      lines.append(
        "perplexity      \(Format.number(quality.perplexity, 3)) (\(quality.windows) windows, \(quality.tokens) tokens)"
      )
      if let divergence = quality.klDivergence {
        lines.append("KL divergence   \(Format.number(divergence, 5)) nats")
      }
      if let agreement = quality.top1Agreement {
        lines.append("top-1 agreement \(Format.percent(agreement))")
      }
    } else {
      let encoder = try TextEncoder(path: model.model, threads: model.threads)
      report.add(ModelSize(encoder.encoder))
      if let stsb {
        let task = try readTask(stsb, for: "--stsb") { try SentenceSimilarity(stsb: $0) }
        let progress = Progress("evaluate", total: 2 * task.scores.count)
        let spearman = task.spearman(encoder) { progress.update($0) }
        report["spearman"] = .double(spearman)
        lines.append("Spearman  \(Format.number(spearman, 4)) (\(task.scores.count) pairs)")
      } else if let sst2 {
        let task = try readTask(sst2, for: "--sst2") { try Classification(sst2: $0) }
        let progress = Progress("evaluate", total: task.labels.count)
        guard let accuracy = task.accuracy(encoder, progress: { progress.update($0) }) else {
          throw Failure.data(
            "\(model.model): the model has no classification head; use one that was fine-tuned for classes.")
        }
        report["accuracy"] = .double(accuracy)
        lines.append("accuracy  \(Format.percent(accuracy)) (\(task.labels.count) sentences)")
      }
    }
    report["peak_memory_bytes"] = .int(PeakMemory.bytes)
    if model.json { Output.json(report) } else { Output.result(lines.joined(separator: "\n")) }
  }

  private func language(_ path: String, _ report: inout JSONValue) throws -> LanguageQuality {
    let language = try model.loadLanguageModel()
    let reference = try against.map { try LanguageModel(path: $0, threads: model.threads) }
    if let reference {
      let sizes = (
        language.decoder.configuration.vocabularySize, reference.decoder.configuration.vocabularySize
      )
      guard sizes.0 == sizes.1 else {
        throw Failure.data(
          "--against \(against ?? ""): its vocabulary of \(sizes.1) tokens is not the model's of \(sizes.0); "
            + "compare models of one family.")
      }
    }
    let context = language.decoder.configuration.contextLength
    guard window <= context else {
      throw Failure.usage(
        "--window \(window) is above the model's context of \(context): choose a smaller one.")
    }
    let tokens = language.tokenizer.encode(try readText(path, for: "--text"), addingSpecialTokens: false)
    guard tokens.count >= 2 else {
      throw Failure.data("\(path): the text has fewer than two tokens; give a longer one.")
    }
    let vocabulary = language.decoder.configuration.vocabularySize
    if let token = tokens.max(), token >= vocabulary {
      throw Failure.data(
        "\(model.model): the tokenizer makes token \(token), but the model knows \(vocabulary); use its own tokenizer."
      )
    }
    let evaluation = LanguageEvaluation(tokens: tokens, window: window, maxWindows: maxWindows)
    var states: [Matrix]?
    if let keepReference, let reference {
      states = try ReferenceFile(path: keepReference).states(of: reference, evaluation)
    }
    let progress = Progress("evaluate", total: evaluation.windows.count)
    let quality = evaluation.measure(
      language.decoder, against: reference?.decoder, states: states, pool: language.pool
    ) {
      progress.update($0)
    }
    report.add(ModelSize(language.decoder))
    report.add(quality)
    return quality
  }

  private func readTask<Task>(_ path: String, for flag: String, _ read: (String) throws -> Task) throws
    -> Task
  {
    let text = try readText(path, for: flag)
    do { return try read(text) } catch let error as TaskError {
      throw Failure.data("\(path): \(error); check that \(flag) names the right file.")
    }
  }
}
