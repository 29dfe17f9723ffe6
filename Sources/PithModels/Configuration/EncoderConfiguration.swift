/// The shape of a BERT-like encoder.
public struct EncoderConfiguration: Sendable, Equatable {
  /// The families that are understood, by the name that their configurations use.
  public enum Family: String, Sendable, CaseIterable {
    case bert
    case distilbert
  }

  /// The family.
  public var family: Family
  /// The number of tokens that the model knows.
  public var vocabularySize: Int
  /// The width of the residual stream.
  public var width: Int
  /// The width of the feed-forward layers.
  public var feedForwardWidth: Int
  /// Attention heads.
  public var heads: Int
  /// The heads that were cut out of layers, by those.
  public var prunedHeads: [Int: [Int]] = [:]
  /// The number of layers.
  public var layers: Int
  /// The longest text in tokens.
  public var contextLength: Int
  /// The epsilon of the norms.
  public var normEpsilon: Float
  /// The nonlinearity of the feed-forward layers.
  public var activation: Activation
  /// The names of the classes, where the model has a classification head.
  public var labels: [String]

  /// A configuration, field by field.
  public init(
    family: Family, vocabularySize: Int, width: Int, feedForwardWidth: Int, heads: Int, layers: Int,
    contextLength: Int, normEpsilon: Float, activation: Activation, labels: [String]
  ) {
    self.family = family
    self.vocabularySize = vocabularySize
    self.width = width
    self.feedForwardWidth = feedForwardWidth
    self.heads = heads
    self.layers = layers
    self.contextLength = contextLength
    self.normEpsilon = normEpsilon
    self.activation = activation
    self.labels = labels
  }

  /// The attention heads of a layer.
  public func heads(ofLayer layer: Int) -> Int { heads - (prunedHeads[layer]?.count ?? 0) }
}
