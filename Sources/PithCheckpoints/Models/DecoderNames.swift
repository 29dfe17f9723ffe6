import PithModels

/// What the tensors of a decoder are called in a checkpoint.
///
/// `.weight` and `.bias` follow each of these names.
public struct DecoderNames: Sendable {
  private let layer: String
  private let maps: [Place.Role: String]
  private let norms: [NormPlace.Role: String]

  /// The names in a Hugging Face folder.
  ///
  /// - Parameter prefix: `model.`, or nothing in a checkpoint without an output head.
  public static func huggingFace(_ family: DecoderConfiguration.Family, prefix: String = "model.")
    -> DecoderNames
  {
    let gemma = family == .gemma3
    return DecoderNames(
      layer: prefix + "layers.",
      maps: [
        .embedding: prefix + "embed_tokens", .head: "lm_head", .query: "self_attn.q_proj",
        .key: "self_attn.k_proj", .value: "self_attn.v_proj", .attentionOutput: "self_attn.o_proj",
        .gate: "mlp.gate_proj", .up: "mlp.up_proj", .down: "mlp.down_proj",
      ],
      norms: [
        .attention: "input_layernorm", .query: "self_attn.q_norm", .key: "self_attn.k_norm",
        .attentionOutput: "post_attention_layernorm",
        .feedForward: gemma ? "pre_feedforward_layernorm" : "post_attention_layernorm",
        .feedForwardOutput: "post_feedforward_layernorm", .final: prefix + "norm",
      ])
  }

  /// The names in a GGUF file.
  public static let gguf = DecoderNames(
    layer: "blk.",
    maps: [
      .embedding: "token_embd", .head: "output", .query: "attn_q", .key: "attn_k", .value: "attn_v",
      .attentionOutput: "attn_output", .gate: "ffn_gate", .up: "ffn_up", .down: "ffn_down",
    ],
    norms: [
      .attention: "attn_norm", .query: "attn_q_norm", .key: "attn_k_norm",
      .attentionOutput: "post_attention_norm", .feedForward: "ffn_norm", .feedForwardOutput: "post_ffw_norm",
      .final: "output_norm",
    ])

  private init(layer: String, maps: [Place.Role: String], norms: [NormPlace.Role: String]) {
    self.layer = layer
    self.maps = maps
    self.norms = norms
  }

  /// The name of a linear map or table.
  public func name(of place: Place) -> String {
    let name = maps[place.role] ?? place.role.rawValue
    return place.layer.map { layer + "\($0)." + name } ?? name
  }

  /// The name of a norm.
  public func name(of place: NormPlace) -> String {
    let name = norms[place.role] ?? place.role.rawValue
    return place.layer.map { layer + "\($0)." + name } ?? name
  }
}
