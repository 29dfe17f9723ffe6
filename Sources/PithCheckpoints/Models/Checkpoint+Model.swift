import PithJSON
import PithModels
import PithTensors

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
    if let gguf { return .decoder(try decoder(of: gguf)) }
    let fields = try Fields.configuration(of: path)
    guard let architecture = try fields.text("model_type") else {
      throw fields.bad("'model_type' is missing")
    }
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
    throw .badData(path: fields.path, fault: Self.unknown(architecture), mend: "use a model of one of these")
  }

  private func decoder(of gguf: GGUFFile) throws(CheckpointError) -> Decoder {
    let keys = try GGUFConfiguration(gguf)
    let json = try JSON(parsing: Bytes(copying: try keys.huggingFace().serialized()), of: path)
    return try DecoderReader(
      checkpoint: self,
      configuration: DecoderConfiguration(Fields(json: json, path: path), family: keys.family),
      names: .gguf, pairedRotaryRows: keys.pairedRotaryRows, normOffset: 0
    ).decoder()
  }

  static func unknown(_ architecture: String) -> String {
    let known =
      DecoderConfiguration.Family.allCases.map(\.rawValue)
      + EncoderConfiguration.Family.allCases.map(\.rawValue)
    return "architecture \(architecture.quoted) is not one that Pith knows: \(known.joined(separator: ", "))"
  }
}

extension Model {
  /// The model with some of its layers, in their order and counted anew.
  public func keeping(layers kept: [Int]) -> Model {
    switch self {
    case .decoder(let decoder): .decoder(decoder.keeping(layers: kept))
    case .encoder(let encoder): .encoder(encoder.keeping(layers: kept))
    }
  }
}
