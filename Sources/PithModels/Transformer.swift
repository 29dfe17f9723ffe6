import PithWeights

/// What all transformers here have in common: a list of the linear maps (and tables) that hold nearly all weights.
public protocol Transformer: Sendable {
  /// Every matrix once, in the order in which a batch meets them; a tied head is not named again.
  var maps: [Linear] { get }

  /// Every norm.
  var norms: [Norm] { get }

  /// The width of a head of attention.
  var headDimension: Int { get }
}

extension Decoder: Transformer {
  /// Embedding first, then layer by layer.
  public var maps: [Linear] {
    [embedding]
      + layers.flatMap { [$0.query, $0.key, $0.value, $0.attentionOutput, $0.gate, $0.up, $0.down] }
      + [untiedHead].compactMap { $0 }
  }

  /// Layer by layer.
  public var norms: [Norm] {
    layers.flatMap { layer in
      [
        layer.attentionNorm, layer.queryNorm, layer.keyNorm, layer.attentionOutputNorm, layer.feedForwardNorm,
        layer.feedForwardOutputNorm,
      ].compactMap { $0 }
    } + [finalNorm]
  }

  /// The width of a head of attention.
  public var headDimension: Int { configuration.headDimension }
}

extension Encoder: Transformer {
  /// Embedding first, then layer by layer.
  public var maps: [Linear] {
    [embedding, positions] + [segments].compactMap { $0 }
      + layers.flatMap { [$0.query, $0.key, $0.value, $0.attentionOutput, $0.up, $0.down] }
      + (classification.map { [$0.hidden, $0.output] } ?? [])
  }

  /// Layer by layer.
  public var norms: [Norm] { [embeddingNorm] + layers.flatMap { [$0.attentionNorm, $0.feedForwardNorm] } }

  /// The width of a head of attention.
  public var headDimension: Int { configuration.width / configuration.heads }
}
