import PithModels

/// What the tensors of an encoder are called in a Hugging Face folder.
///
/// `.weight` and `.bias` follow each of these names.
public struct EncoderNames: Sendable {
  private let family: EncoderConfiguration.Family
  private let prefix: String

  /// The names of a family.
  ///
  /// - Parameter prefix: `bert.` or `distilbert.` in a checkpoint with a head, or nothing.
  public init(_ family: EncoderConfiguration.Family, prefix: String) {
    self.family = family
    self.prefix = prefix
  }

  /// The name of a linear map or table.
  public func name(of place: Place) -> String {
    let bert = family == .bert
    switch place.role {
    case .embedding: return prefix + "embeddings.word_embeddings"
    case .positions: return prefix + "embeddings.position_embeddings"
    case .segments: return prefix + "embeddings.token_type_embeddings"
    case .pooler: return bert ? prefix + "pooler.dense" : "pre_classifier"
    case .classifier: return "classifier"
    default: break
    }
    let names: [Place.Role: String] =
      bert
      ? [
        .query: "attention.self.query", .key: "attention.self.key", .value: "attention.self.value",
        .attentionOutput: "attention.output.dense", .up: "intermediate.dense", .down: "output.dense",
      ]
      : [
        .query: "attention.q_lin", .key: "attention.k_lin", .value: "attention.v_lin",
        .attentionOutput: "attention.out_lin", .up: "ffn.lin1", .down: "ffn.lin2",
      ]
    return layer(place.layer ?? 0) + (names[place.role] ?? place.role.rawValue)
  }

  /// The name of a norm.
  public func name(of place: NormPlace) -> String {
    guard let index = place.layer else { return prefix + "embeddings.LayerNorm" }
    let isAttention = place.role == .attention
    switch family {
    case .bert: return layer(index) + (isAttention ? "attention.output.LayerNorm" : "output.LayerNorm")
    case .distilbert: return layer(index) + (isAttention ? "sa_layer_norm" : "output_layer_norm")
    }
  }

  private func layer(_ index: Int) -> String {
    prefix + (family == .bert ? "encoder.layer." : "transformer.layer.") + "\(index)."
  }
}
