import PithJSON
import PithModels
import PithTensors

extension NewModel {
  /// An encoder of this shape with random weights: normal ones with a deviation of 0.02 (BERT, arXiv 1810.04805).
  public func encoder(vocabulary: Int, seed: UInt64) -> Encoder {
    var generator = SeededGenerator(seed: seed)
    func map(_ role: Place.Role, _ layer: Int?, _ rows: Int, _ columns: Int) -> Linear {
      self.map(
        Place(role, layer: layer), rows, columns, deviation: 0.02, bias: layer != nil, &generator, seed: seed)
    }
    func norm(_ role: NormPlace.Role, _ layer: Int?) -> Norm {
      Norm(
        .layer(bias: [Float](repeating: 0, count: width)), weight: [Float](repeating: 1, count: width),
        epsilon: 1e-12, at: NormPlace(role, layer: layer))
    }
    let (embedding, positions) = (
      map(.embedding, nil, vocabulary, width), map(.positions, nil, context, width)
    )
    let segments = map(.segments, nil, 2, width)
    let made = (0..<layers).map { layer in
      Encoder.Layer(
        query: map(.query, layer, width, width), key: map(.key, layer, width, width),
        value: map(.value, layer, width, width), attentionOutput: map(.attentionOutput, layer, width, width),
        attentionNorm: norm(.attention, layer), up: map(.up, layer, feedForward, width),
        down: map(.down, layer, width, feedForward), feedForwardNorm: norm(.feedForward, layer))
    }
    return Encoder(
      configuration: EncoderConfiguration(
        family: .bert, vocabularySize: vocabulary, width: width, feedForwardWidth: feedForward, heads: heads,
        layers: layers, contextLength: context, normEpsilon: 1e-12, activation: .gelu, labels: []),
      embedding: embedding, positions: positions, segments: segments, embeddingNorm: norm(.embedding, nil),
      layers: made, classification: nil)
  }

  /// The `config.json` of an encoder in Hugging Face's layout.
  public func huggingFaceEncoder(vocabulary: Int) -> JSONValue {
    [
      "model_type": "bert", "vocab_size": .int(vocabulary), "hidden_size": .int(width),
      "intermediate_size": .int(feedForward), "num_hidden_layers": .int(layers),
      "num_attention_heads": .int(heads), "max_position_embeddings": .int(context), "type_vocab_size": 2,
      "layer_norm_eps": 1e-12, "hidden_act": "gelu", "torch_dtype": "float32",
    ]
  }
}
