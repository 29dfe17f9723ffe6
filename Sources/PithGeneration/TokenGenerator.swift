import PithModels
import PithTensors

/// Tokens one after the other: the prompt goes through the model in batches, then each token that is drawn goes
/// through it alone.
public struct TokenGenerator: Sequence, IteratorProtocol {
  /// How many rows of a prompt go through the model together.
  private static let prefillRows = 256

  private let decoder: Decoder
  private let cache: KeyValueCache
  private let pool: ThreadPool
  private var sampler: Sampler
  private var pending: [Int32]

  /// A generator that continues what `cache` holds of sequence 0.
  ///
  /// - Parameters:
  ///   - decoder: the model.
  ///   - prompt: at least one token, which the cache does not hold yet.
  ///   - cache: what came before; empty for a new text.
  ///   - sampling: how tokens are drawn.
  ///   - pool: the threads that share the work.
  public init(
    _ decoder: Decoder, prompt: [Int32], cache: KeyValueCache, sampling: Sampling, pool: ThreadPool
  ) {
    precondition(!prompt.isEmpty, "a prompt has at least one token")
    self.decoder = decoder
    self.cache = cache
    self.pool = pool
    sampler = Sampler(sampling)
    pending = prompt
  }

  /// The next token; nil when the cache is full.
  public mutating func next() -> Int32? {
    guard cache.lengths[0] + pending.count <= cache.capacity else { return nil }
    let token = sampler.sample(logits().values)
    pending = [token]
    return token
  }

  /// Sends the pending tokens through the model; the logits after the last of them.
  private func logits() -> Matrix {
    var start = 0
    while true {
      let tokens = Array(pending[start..<Swift.min(start + Self.prefillRows, pending.count)])
      let batch = Batch([(sequence: 0, position: cache.lengths[0], tokens: tokens)])
      var run = Inference(batch, cache: cache, pool: pool)
      let states = decoder.states(tokens, &run)
      start += tokens.count
      if start == pending.count {
        return decoder.logits(run.select(states, rows: [tokens.count - 1]), &run)
      }
    }
  }
}
