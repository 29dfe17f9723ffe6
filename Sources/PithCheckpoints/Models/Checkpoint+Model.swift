import PithJSON
import PithModels
import PithTokenizers

/// The transformer of a checkpoint.
public enum Model: Sendable {
  /// It writes.
  case decoder(Decoder)
  /// It reads.
  case encoder(Encoder)
}

extension Checkpoint {
  /// Reads the transformer: the configuration first, then each tensor that it calls for.
  ///
  /// - Throws: `CheckpointError` naming the file and the member or tensor at fault.
  public func model() throws(CheckpointError) -> Model {
    if let gguf { return .decoder(try decoder(gguf: gguf)) }
    let fields = try configurationFields()
    let architecture = try architecture(fields)
    if let family = DecoderConfiguration.Family(rawValue: architecture) {
      let prefix = contains("model.embed_tokens.weight") ? "model." : ""
      return .decoder(
        try DecoderReader(
          checkpoint: self, configuration: DecoderConfiguration(fields, family: family),
          names: .huggingFace(family, prefix: prefix), pairedRotaryRows: false,
          normOffset: family == .gemma3 ? 1 : 0
        ).decoder())
    }
    if let family = EncoderConfiguration.Family(rawValue: architecture) {
      let prefix = contains("embeddings.word_embeddings.weight") ? "" : family.rawValue + "."
      return .encoder(
        try EncoderReader(
          checkpoint: self, configuration: EncoderConfiguration(fields, family: family),
          names: EncoderNames(family, prefix: prefix)
        ).encoder())
    }
    throw .badData(path: fields.path, fault: Self.unknown(architecture))
  }

  private func architecture(_ fields: Fields) throws(CheckpointError) -> String {
    guard let name = try fields.text("model_type") else { throw fields.bad("'model_type' is missing") }
    return name
  }

  static func unknown(_ architecture: String) -> String {
    let known = DecoderConfiguration.Family.allCases.map(\.rawValue) + EncoderConfiguration.Family.allCases.map(\.rawValue)
    return "architecture '\(architecture)' is not one that Pith knows: \(known.joined(separator: ", "))"
  }
}
