import PithGeneration
import PithModels
import PithTensors

/// How fast a decoder reads a prompt and how fast it writes.
public struct GenerationSpeed: Sendable {
  /// Tokens of prompt per second, in one batch after the other.
  public var prefillTokensPerSecond: Double
  /// Tokens written per second, one at a time.
  public var decodeTokensPerSecond: Double
  /// The time of each written token.
  public var latency: Latency
}

/// A prompt of fixed random tokens, then greedy tokens, several times over.
public struct GenerationBenchmark: Sendable {
  /// Tokens of the prompt.
  public var promptTokens: Int
  /// Tokens that are written after it.
  public var newTokens: Int
  /// How often both are timed, after a first time that is not counted.
  public var repetitions: Int

  /// A benchmark; as usual, 512 tokens are read and 128 written, three times.
  public init(promptTokens: Int = 512, newTokens: Int = 128, repetitions: Int = 3) {
    self.promptTokens = promptTokens
    self.newTokens = newTokens
    self.repetitions = repetitions
  }

  /// Runs the benchmark. Throughputs are those of the fastest repetition; latencies are of all.
  ///
  /// - Parameter progress: called after each repetition with how many are done, the uncounted first included.
  public func run(_ decoder: Decoder, pool: ThreadPool, progress: (Int) -> Void = { _ in }) -> GenerationSpeed
  {
    var random = SeededGenerator(seed: 1)
    let vocabulary = Int32(decoder.configuration.vocabularySize)
    let prompt = (0..<promptTokens).map { _ in Int32.random(in: 0..<vocabulary, using: &random) }
    let clock = ContinuousClock()
    var latency = Latency()
    var (prefill, decode) = (Duration.seconds(3600), Duration.seconds(3600))
    for repetition in 0...repetitions {
      let cache = KeyValueCache(decoder.configuration, capacity: promptTokens + newTokens + 1)
      var tokens = TokenGenerator(decoder, prompt: prompt, cache: cache, sampling: .greedy, pool: pool)
      let reading = clock.measure { _ = tokens.next() }
      let writing = clock.measure {
        for _ in 0..<newTokens {
          let time = clock.measure { _ = tokens.next() }
          if repetition > 0 { latency.record(time) }
        }
      }
      if repetition > 0 {
        prefill = min(prefill, reading)
        decode = min(decode, writing)
      }
      progress(repetition + 1)
    }
    return GenerationSpeed(
      prefillTokensPerSecond: Double(promptTokens) / (prefill / .seconds(1)),
      decodeTokensPerSecond: Double(newTokens) / (decode / .seconds(1)), latency: latency)
  }
}
