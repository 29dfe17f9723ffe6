import PithCheckpoints
import PithGeneration
import PithModels
import PithTensors
import PithTokenizers

/// A model that was read from a folder or file: one that writes, or one that reads.
public enum LoadedModel: Sendable {
  /// A decoder with its tokenizer.
  case language(LanguageModel)

  /// An encoder with its tokenizer.
  case text(TextEncoder)

  /// Reads a model. Weights are mapped into memory and read from the disk as they are touched.
  ///
  /// - Parameters:
  ///   - path: a folder in Hugging Face's layout, or a `.gguf` file.
  ///   - threads: how many threads compute; nil for one per core.
  /// - Throws: `CheckpointError`, `TokenizerError`, `ChatTemplateError`.
  public init(path: String, threads: Int? = nil) throws {
    let checkpoint = try Checkpoint(path: path)
    let pool = ThreadPool(threads: threads ?? ThreadPool.availableCores)
    let model = try checkpoint.model()
    let tokenizer = try checkpoint.tokenizer()
    switch model {
    case .decoder(let decoder):
      self = .language(
        LanguageModel(
          decoder: decoder, tokenizer: tokenizer, chatTemplate: try checkpoint.chatTemplate(),
          endTokens: try checkpoint.endTokens(tokenizer), pool: pool))
    case .encoder(let encoder):
      let pooling = try checkpoint.pooling(contextLength: encoder.configuration.contextLength)
      self = .text(
        TextEncoder(
          encoder: encoder, tokenizer: tokenizer, maxTokens: pooling.maxTokens,
          normalizes: pooling.normalizes,
          pool: pool))
    }
  }
}

extension LanguageModel {
  /// Reads a decoder: Llama, Mistral, Qwen 2 and 3, Gemma 3.
  ///
  /// - Throws: what `LoadedModel` throws, and `CheckpointError` if the model is an encoder.
  public init(path: String, threads: Int? = nil) throws {
    guard case .language(let model) = try LoadedModel(path: path, threads: threads) else {
      throw CheckpointError.badData(
        path: path, fault: "the model is an encoder, which writes no text",
        mend: "embed texts with it (pith embed, or a TextEncoder)")
    }
    self = model
  }
}

extension TextEncoder {
  /// Reads an encoder: BERT, DistilBERT.
  ///
  /// - Throws: what `LoadedModel` throws, and `CheckpointError` if the model is a decoder.
  public init(path: String, threads: Int? = nil) throws {
    guard case .text(let model) = try LoadedModel(path: path, threads: threads) else {
      throw CheckpointError.badData(
        path: path, fault: "the model is a decoder, which embeds no text",
        mend: "write or score texts with it (pith generate, pith evaluate --text, or a LanguageModel)")
    }
    self = model
  }
}
