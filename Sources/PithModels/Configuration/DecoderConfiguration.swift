/// The shape of a decoder-only transformer, whatever its family calls things.
public struct DecoderConfiguration: Sendable, Equatable {
  /// The families that are understood, by the name that their configurations use.
  public enum Family: String, Sendable, CaseIterable {
    case llama
    case mistral
    case qwen2
    case qwen3
    case gemma3 = "gemma3_text"
  }

  /// How one layer attends.
  public struct Layer: Sendable, Equatable {
    /// How many positions a token sees, its own included; nil for all before it.
    public var window: Int?

    /// The layer's rotary embedding.
    public var rotary: Rotary

    /// A layer with a window and a rotary embedding.
    public init(window: Int?, rotary: Rotary) {
      self.window = window
      self.rotary = rotary
    }
  }

  /// The family.
  public var family: Family
  /// The number of tokens that the model knows.
  public var vocabularySize: Int
  /// The width of the residual stream.
  public var width: Int
  /// The width of the feed-forward layers.
  public var feedForwardWidth: Int
  /// Query heads.
  public var heads: Int
  /// Key and value heads; each serves `heads / keyValueHeads` query heads.
  public var keyValueHeads: Int
  /// The width of a head.
  public var headDimension: Int
  /// The layers, from the first to the last.
  public var layers: [Layer]
  /// The epsilon of the norms.
  public var normEpsilon: Float
  /// The nonlinearity of the feed-forward layers.
  public var activation: Activation
  /// What the products of queries and keys are multiplied by.
  public var attentionScale: Float
  /// What embeddings are multiplied by.
  public var embeddingScale: Float
  /// The longest context that the model was trained for.
  public var contextLength: Int
  /// Whether the output head is the embedding.
  public var tiedHead: Bool

  /// A configuration, field by field.
  public init(
    family: Family, vocabularySize: Int, width: Int, feedForwardWidth: Int, heads: Int, keyValueHeads: Int,
    headDimension: Int, layers: [Layer], normEpsilon: Float, activation: Activation, attentionScale: Float,
    embeddingScale: Float, contextLength: Int, tiedHead: Bool
  ) {
    self.family = family
    self.vocabularySize = vocabularySize
    self.width = width
    self.feedForwardWidth = feedForwardWidth
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
    self.layers = layers
    self.normEpsilon = normEpsilon
    self.activation = activation
    self.attentionScale = attentionScale
    self.embeddingScale = embeddingScale
    self.contextLength = contextLength
    self.tiedHead = tiedHead
  }

  /// The width of all key (or value) heads together.
  public var keyValueWidth: Int { keyValueHeads * headDimension }
}
