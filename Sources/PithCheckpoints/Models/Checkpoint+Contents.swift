import PithJSON
import PithModels
import PithWeights

/// What a model is made of, under the names that a Hugging Face folder gives it.
public struct ModelContents: Sendable {
  /// The matrices and tables.
  public let maps: [(name: String, map: Linear)]
  /// Biases, norms and what else is a vector.
  public let vectors: [(name: String, values: [Float])]

  /// All names, as they stand in the file.
  public var names: [String] { maps.map(\.name) + vectors.map(\.name) }

  /// The contents of a model.
  public init(_ model: Model) {
    switch model {
    case .decoder(let decoder): self.init(decoder)
    case .encoder(let encoder): self.init(encoder)
    }
  }

  /// The contents of a decoder.
  public init(_ decoder: Decoder) {
    let family = decoder.configuration.family
    let names = DecoderNames.huggingFace(family)
    maps = decoder.maps.map { (names.name(of: $0.place) + ".weight", $0) }
    // Gemma's folders store the scales of norms less 1.
    let offset: Float = family == .gemma3 ? 1 : 0
    vectors =
      decoder.maps.compactMap { map in map.bias.map { (names.name(of: map.place) + ".bias", $0) } }
      + decoder.norms.map { (names.name(of: $0.place) + ".weight", $0.weight.map { $0 - offset }) }
  }

  /// The contents of an encoder.
  public init(_ encoder: Encoder) {
    let family = encoder.configuration.family
    let names = EncoderNames(family, prefix: encoder.classification == nil ? "" : family.rawValue + ".")
    maps = encoder.maps.map { (names.name(of: $0.place) + ".weight", $0) }
    var vectors = encoder.maps.compactMap { map in map.bias.map { (names.name(of: map.place) + ".bias", $0) }
    }
    for norm in encoder.norms {
      let name = names.name(of: norm.place)
      vectors.append((name + ".weight", norm.weight))
      if case .layer(let bias) = norm.kind { vectors.append((name + ".bias", bias)) }
    }
    self.vectors = vectors
  }
}

extension Checkpoint {
  /// The files beside weights and configuration that make a folder complete.
  private static let companions = [
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model",
    "chat_template.jinja", "chat_template.json", "modules.json", "1_Pooling/config.json",
    "sentence_bert_config.json", "config_sentence_transformers.json", "LICENSE", "LICENSE.txt", "NOTICE",
  ]

  /// The configuration in the terms of a Hugging Face folder, whatever the checkpoint is.
  ///
  /// - Throws: `CheckpointError` if it cannot be read.
  public func huggingFaceConfiguration() throws(CheckpointError) -> JSONValue {
    if let gguf { return try GGUFConfiguration(gguf).huggingFace() }
    return JSONValue(try Fields.configuration(of: path).json)
  }

  /// The files of the folder that belong beside weights and configuration: tokenizer, chat template, pooling.
  ///
  /// - Throws: `CheckpointError` if one cannot be read.
  public func companionFiles() throws(CheckpointError) -> [(name: String, bytes: [UInt8])] {
    if let gguf { return try tokenizerFiles(of: gguf) }
    var files: [(name: String, bytes: [UInt8])] = []
    for name in Self.companions {
      if let data = try data(name) { files.append((name, data.array(of: UInt8.self))) }
    }
    return files
  }
}
