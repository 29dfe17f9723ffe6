import PithJSON
import PithModels
import PithTensors
import PithWeights

extension NewModel {
  /// A decoder of this shape with random weights: normal ones with a deviation of 0.02, in what goes back to the residual
  /// stream of 0.02 / √(2 · layers) (GPT-2).
  public func decoder(vocabulary: Int, seed: UInt64) -> Decoder {
    var generator = SeededGenerator(seed: seed)
    func map(_ role: Place.Role, _ layer: Int?, _ rows: Int, _ columns: Int) -> Linear {
      let goesBack = role == .attentionOutput || role == .down
      let deviation = 0.02 / (goesBack ? Float(2 * layers).squareRoot() : 1)
      return self.map(
        Place(role, layer: layer), rows, columns, deviation: deviation, &generator, seed: seed)
    }
    func norm(_ role: NormPlace.Role, _ layer: Int?) -> Norm {
      Norm(
        .rootMeanSquare, weight: [Float](repeating: 1, count: width), epsilon: 1e-5,
        at: NormPlace(role, layer: layer))
    }
    let shape = configuration(vocabulary: vocabulary)
    let embedding = map(.embedding, nil, vocabulary, width)
    let made = (0..<layers).map { layer in
      Decoder.Layer(
        attentionNorm: norm(.attention, layer), query: map(.query, layer, width, width),
        key: map(.key, layer, width, width), value: map(.value, layer, width, width), queryNorm: nil,
        keyNorm: nil, attentionOutput: map(.attentionOutput, layer, width, width), attentionOutputNorm: nil,
        feedForwardNorm: norm(.feedForward, layer), gate: map(.gate, layer, feedForward, width),
        up: map(.up, layer, feedForward, width), down: map(.down, layer, width, feedForward),
        feedForwardOutputNorm: nil)
    }
    return Decoder(
      configuration: shape, embedding: embedding, layers: made, finalNorm: norm(.final, nil), untiedHead: nil)
  }

  private func configuration(vocabulary: Int) -> DecoderConfiguration {
    DecoderConfiguration(
      family: .llama, vocabularySize: vocabulary, width: width, feedForwardWidth: feedForward, heads: heads,
      keyValueHeads: heads, headDimension: width / heads,
      layers: Array(repeating: .init(window: nil, rotary: Rotary(base: 10_000)), count: layers),
      normEpsilon: 1e-5, activation: .silu, attentionScale: 1 / Float(width / heads).squareRoot(),
      embeddingScale: 1, contextLength: context, tiedHead: true)
  }

  /// The `config.json` of a decoder in Hugging Face's layout.
  public func huggingFace(vocabulary: Int) -> JSONValue {
    [
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": .int(vocabulary),
      "hidden_size": .int(width), "intermediate_size": .int(feedForward), "num_hidden_layers": .int(layers),
      "num_attention_heads": .int(heads), "num_key_value_heads": .int(heads), "head_dim": .int(width / heads),
      "max_position_embeddings": .int(context), "rms_norm_eps": 1e-5, "rope_theta": 10_000.0,
      "hidden_act": "silu", "tie_word_embeddings": true, "torch_dtype": "float32",
    ]
  }
}
