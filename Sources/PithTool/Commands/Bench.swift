import ArgumentParser
import Pith
import PithEvaluation
import PithJSON

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures throughput and latency.",
    discussion: """
      Reads a prompt of random tokens, then writes tokens one at a time, several times over after a run that is not \
      counted. Throughput is that of the fastest run; latency percentiles are over every written token.
      """)

  @OptionGroup var model: ModelArguments

  @Option(help: "Tokens that are read.")
  var promptTokens = 512

  @Option(help: "Tokens that are written after them.")
  var newTokens = 128

  @Option(help: "How many runs are counted.")
  var repetitions = 3

  func validate() throws {
    if promptTokens < 1 || newTokens < 1 || repetitions < 1 {
      throw ValidationError("--prompt-tokens, --new-tokens and --repetitions must be at least 1.")
    }
  }

  func run() throws {
    let language = try model.loadLanguageModel()
    let benchmark = GenerationBenchmark(
      promptTokens: promptTokens, newTokens: newTokens, repetitions: repetitions)
    let progress = Progress("bench", total: repetitions + 1)
    let speed = benchmark.run(language.decoder, pool: language.pool) { progress.update($0) }
    let size = ModelSize(language.decoder)
    let memory = PeakMemory.bytes
    if model.json {
      var report: JSONValue = ["model": .string(model.model), "threads": .int(language.pool.threads)]
      report.add(size)
      report.add(speed)
      report["peak_memory_bytes"] = .int(memory)
      Output.json(report)
    } else {
      Output.result(
        """
        size      \(Format.megabytes(size.bytes)), \(Format.number(size.bitsPerWeightOfModel)) bits per weight
        prefill   \(Format.number(speed.prefillTokensPerSecond, 1)) tokens/s (\(promptTokens) tokens)
        decode    \(Format.number(speed.decodeTokensPerSecond, 1)) tokens/s (\(newTokens) tokens)
        latency   p50 \(Format.number(speed.latency.milliseconds(percentile: 50))) ms, \
        p90 \(Format.number(speed.latency.milliseconds(percentile: 90))) ms, \
        p99 \(Format.number(speed.latency.milliseconds(percentile: 99))) ms, \
        max \(Format.number(speed.latency.maxMilliseconds)) ms per token
        memory    \(Format.megabytes(memory)) at the peak
        """)
    }
  }
}
