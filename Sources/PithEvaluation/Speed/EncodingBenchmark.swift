import PithModels
import PithTensors

/// How fast an encoder reads texts, some at a time.
public struct EncodingSpeed: Sendable {
  /// Texts that go through the model together.
  public var batch: Int
  /// Texts per second.
  public var textsPerSecond: Double
  /// The time of each batch.
  public var latency: Latency
}

/// Texts of as many random tokens, batch after batch, for about a second.
public struct EncodingBenchmark: Sendable {
  /// Tokens of each text.
  public var tokens: Int
  /// The fewest batches that are timed, after two that are not counted.
  public var batches: Int

  /// A benchmark; as usual, texts of 32 tokens.
  public init(tokens: Int = 32, batches: Int = 20) {
    self.tokens = tokens
    self.batches = batches
  }

  /// Runs the benchmark for one size of batch. The throughput is that of the median batch.
  public func run(_ encoder: Encoder, batch size: Int, pool: ThreadPool) -> EncodingSpeed {
    var random = SeededGenerator(seed: 1)
    let vocabulary = Int32(encoder.configuration.vocabularySize)
    let batch = Batch(
      (0..<size).map { sequence in
        (
          sequence: sequence, position: 0,
          tokens: (0..<tokens).map { _ in Int32.random(in: 0..<vocabulary, using: &random) }
        )
      })
    let clock = ContinuousClock()
    var latency = Latency()
    var times: [Double] = []
    for count in 0... {
      let time = clock.measure {
        var run = Inference(batch, pool: pool)
        let states = encoder.states(batch, &run)
        _ = encoder.classLogits(states, of: batch, &run)
      }
      guard count >= 2 else { continue }
      latency.record(time)
      times.append(time / .seconds(1))
      if times.count >= batches, times.reduce(0, +) >= 1 { break }
    }
    return EncodingSpeed(
      batch: size, textsPerSecond: Double(size) / times.sorted()[times.count / 2], latency: latency)
  }
}
