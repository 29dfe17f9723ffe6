import PithModels
import PithTokenizers

/// The pieces of a text while it is generated. Ends after an end token, `maxTokens` tokens, at the end of the model's
/// context, or with cancellation.
public struct TextStream: AsyncSequence, Sequence, Sendable {
  private let model: LanguageModel
  private let prompt: [Int32]
  private let maxTokens: Int
  private let sampling: Sampling

  init(_ model: LanguageModel, prompt: [Int32], maxTokens: Int, sampling: Sampling) {
    self.model = model
    self.prompt = prompt
    self.maxTokens = maxTokens
    self.sampling = sampling
  }

  /// The pieces, for code that waits with `for await`.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pieces: makeIterator()) }

  /// The pieces, for code that waits in its own thread.
  public func makeIterator() -> Iterator {
    // No more is reserved than the model's context has room for.
    let room = Swift.max(1, model.decoder.configuration.contextLength - prompt.count)
    let cache = KeyValueCache(
      model.decoder.configuration, capacity: prompt.count + Swift.min(Swift.max(0, maxTokens), room))
    return Iterator(model, prompt: prompt, cache: cache, maxTokens: maxTokens, sampling: sampling)
  }

  /// Computes one piece at a time.
  public struct Iterator: IteratorProtocol {
    private var tokens: TokenGenerator?
    private var text: StreamingDecoder
    private let endTokens: Set<Int32>
    private var remaining: Int

    init(
      _ model: LanguageModel, prompt: [Int32], cache: KeyValueCache, maxTokens: Int, sampling: Sampling
    ) {
      tokens =
        prompt.isEmpty
        ? nil
        : TokenGenerator(
          model.decoder, prompt: prompt, cache: cache, sampling: sampling, pool: model.pool)
      text = model.tokenizer.makeStreamingDecoder()
      endTokens = model.endTokens
      remaining = maxTokens
    }

    /// The next piece of text; nil at the end.
    public mutating func next() -> String? {
      while remaining > 0, let token = tokens?.next(), !endTokens.contains(token) {
        remaining -= 1
        let piece = text.append(token)
        if !piece.isEmpty { return piece }
      }
      remaining = 0
      tokens = nil
      let rest = text.finish()
      return rest.isEmpty ? nil : rest
    }
  }

  /// Computes one piece at a time, off the caller's actor.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private var pieces: Iterator

    init(pieces: Iterator) { self.pieces = pieces }

    /// The next piece of text; nil at the end.
    public mutating func next() async -> String? { Task.isCancelled ? nil : pieces.next() }
  }
}
