import ArgumentParser
import Pith
import PithEvaluation
import PithJSON
import PithModels

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures throughput and latency.",
    discussion: """
      A decoder reads a prompt of random tokens, then writes tokens one at a time, several times over after a run that is not \
      counted. Throughput is that of the fastest run; latency percentiles are over every written token.

      An encoder reads texts of random tokens, one at a time and 32 together, for a second each; throughput is that of the \
      median batch, latency percentiles are over batches.
      """)

  @OptionGroup var model: ModelArguments

  @Option(help: "Tokens that are read (default: 512, of each text for an encoder 32).")
  var promptTokens: Int?

  @Option(help: "Tokens that a decoder writes after them.")
  var newTokens = 128

  @Option(help: "How many runs of a decoder are counted.")
  var repetitions = 3

  func validate() throws {
    if promptTokens ?? 1 < 1 || newTokens < 1 || repetitions < 1 {
      throw ValidationError("--prompt-tokens, --new-tokens and --repetitions must be at least 1.")
    }
  }

  func run() throws {
    var report: JSONValue = ["model": .string(model.model)]
    let size: ModelSize
    let lines: String
    switch try model.load() {
    case .language(let language):
      report["threads"] = .int(language.pool.threads)
      size = ModelSize(language.decoder)
      lines = measure(language.decoder, language.pool, &report)
    case .text(let text):
      report["threads"] = .int(text.pool.threads)
      size = ModelSize(text.encoder)
      lines = try measure(text.encoder, text.pool, &report)
    }
    let memory = PeakMemory.bytes
    report.add(size)
    report["peak_memory_bytes"] = .int(memory)
    if model.json {
      Output.json(report)
    } else {
      Output.result(
        """
        size      \(Format.megabytes(size.bytes)), \(Format.number(size.bitsPerWeightOfModel)) bits per weight
        \(lines)
        memory    \(Format.megabytes(memory)) at the peak
        """)
    }
  }

  private func measure(_ decoder: Decoder, _ pool: ThreadPool, _ report: inout JSONValue) -> String {
    let benchmark = GenerationBenchmark(
      promptTokens: promptTokens ?? 512, newTokens: newTokens, repetitions: repetitions)
    let progress = Progress("bench", total: repetitions + 1)
    let speed = benchmark.run(decoder, pool: pool) { progress.update($0) }
    report.add(speed)
    return """
      prefill   \(Format.number(speed.prefillTokensPerSecond, 1)) tokens/s (\(benchmark.promptTokens) tokens)
      decode    \(Format.number(speed.decodeTokensPerSecond, 1)) tokens/s (\(newTokens) tokens)
      latency   \(percentiles(speed.latency)) per token
      """
  }

  private func measure(_ encoder: Encoder, _ pool: ThreadPool, _ report: inout JSONValue) throws -> String {
    let benchmark = EncodingBenchmark(tokens: promptTokens ?? 32)
    guard benchmark.tokens <= encoder.configuration.contextLength else {
      throw Failure.usage(
        "--prompt-tokens is \(benchmark.tokens), but the model reads at most \(encoder.configuration.contextLength)."
      )
    }
    let speeds = [1, 32].map { benchmark.run(encoder, batch: $0, pool: pool) }
    report.add(speeds)
    return speeds.map { speed in
      let name = speed.batch == 1 ? "one text" : "\(speed.batch) texts"
      let padding = String(repeating: " ", count: max(1, 10 - name.count))
      return
        "\(name)\(padding)\(Format.number(speed.textsPerSecond, 1)) texts/s (\(benchmark.tokens) tokens each), \(percentiles(speed.latency))"
    }.joined(separator: "\n")
  }

  private func percentiles(_ latency: Latency) -> String {
    """
    p50 \(Format.number(latency.milliseconds(percentile: 50))) ms, \
    p90 \(Format.number(latency.milliseconds(percentile: 90))) ms, \
    p99 \(Format.number(latency.milliseconds(percentile: 99))) ms, \
    max \(Format.number(latency.maxMilliseconds)) ms
    """
  }
}
