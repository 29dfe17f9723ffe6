import PithModels
import PithTensors
import PithTokenizers

/// A decoder with its tokenizer: text in, text out.
///
///     let model = try LanguageModel(path: "SmolLM2.gguf")
///     for await piece in model.generate("The capital of France is") { print(piece, terminator: "") }
public struct LanguageModel: Sendable {
  /// The transformer.
  public let decoder: Decoder
  /// Text to tokens and back.
  public let tokenizer: Tokenizer
  /// How conversations are written for the model; nil for a model that was not trained on them.
  public let chatTemplate: ChatTemplate?
  /// The tokens that end a text.
  public let endTokens: Set<Int32>
  /// The threads that compute.
  public let pool: ThreadPool

  /// A model from its parts.
  public init(
    decoder: Decoder, tokenizer: Tokenizer, chatTemplate: ChatTemplate?, endTokens: Set<Int32>,
    pool: ThreadPool
  ) {
    self.decoder = decoder.skippingZeros
    self.tokenizer = tokenizer
    self.chatTemplate = chatTemplate
    self.endTokens = endTokens
    self.pool = pool
  }

  /// A text that continues `prompt`, piece by piece, never half a character.
  ///
  /// - Parameters:
  ///   - prompt: the text to continue, as it is.
  ///   - maxTokens: the most tokens that are drawn.
  ///   - sampling: how they are drawn.
  public func generate(
    _ prompt: String, maxTokens: Int = 256, sampling: Sampling = Sampling()
  ) -> TextStream {
    TextStream(self, prompt: tokenizer.encode(prompt), maxTokens: maxTokens, sampling: sampling)
  }
}
