import PithGeneration
import PithModels
import PithTensors

/// Text that a model writes itself, to calibrate where there is no other.
///
/// Each sequence begins with a token of its own, drawn evenly, and goes on as the model samples at temperature 1
/// (LLM-QAT, arXiv 2305.17888, section 3.1). Many sequences are written together.
public enum SelfCalibration {
  /// Sequences that are written together.
  private static let together = 32

  /// Sequences of `window` tokens, about `tokens` in all.
  ///
  /// - Parameter progress: called with how many sequences are done.
  public static func sequences(
    _ decoder: Decoder, tokens: Int, window: Int, seed: UInt64, pool: ThreadPool,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) -> [[Int32]] {
    let total = max(1, tokens / window)
    var generator = SeededGenerator(seed: seed)
    var sequences: [[Int32]] = []
    while sequences.count < total {
      let count = min(together, total - sequences.count)
      sequences += write(count, decoder, window: window, &generator, pool)
      progress(sequences.count, total)
    }
    return sequences
  }

  private static func write(
    _ count: Int, _ decoder: Decoder, window: Int, _ generator: inout SeededGenerator, _ pool: ThreadPool
  ) -> [[Int32]] {
    let vocabulary = Int32(decoder.configuration.vocabularySize)
    let cache = KeyValueCache(decoder.configuration, sequences: count, capacity: window)
    var samplers = (0..<count).map { _ in
      Sampler(Sampling(temperature: 1, topK: nil, topP: 1, seed: generator.next()))
    }
    var texts = (0..<count).map { _ in [Int32.random(in: 0..<vocabulary, using: &generator)] }
    for position in 0..<(window - 1) {
      let tokens = texts.map { $0[position] }
      let batch = Batch(tokens.enumerated().map { (sequence: $0, position: position, tokens: [$1]) })
      var run = Inference(batch, cache: cache, pool: pool)
      let logits = decoder.logits(decoder.states(tokens, &run), &run)
      for index in texts.indices { texts[index].append(samplers[index].sample(Array(logits[row: index]))) }
    }
    return texts
  }
}
