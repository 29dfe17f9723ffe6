import PithWeights

/// A BERT-like encoder: BERT, DistilBERT.
public struct Encoder: Sendable {
  /// The weights of one layer.
  public struct Layer: Sendable {
    /// The queries.
    public var query: Linear
    /// The keys.
    public var key: Linear
    /// The values.
    public var value: Linear
    /// From the heads back to the residual stream.
    public var attentionOutput: Linear
    /// After attention and its residual.
    public var attentionNorm: Norm
    /// Into the feed-forward layer.
    public var up: Linear
    /// Back to the residual stream.
    public var down: Linear
    /// After the feed-forward layer and its residual.
    public var feedForwardNorm: Norm

    /// A layer, part by part.
    public init(
      query: Linear, key: Linear, value: Linear, attentionOutput: Linear, attentionNorm: Norm, up: Linear,
      down: Linear, feedForwardNorm: Norm
    ) {
      self.query = query
      self.key = key
      self.value = value
      self.attentionOutput = attentionOutput
      self.attentionNorm = attentionNorm
      self.up = up
      self.down = down
      self.feedForwardNorm = feedForwardNorm
    }
  }

  /// From the first token's state to the logits of the classes.
  public struct ClassificationHead: Sendable {
    /// The hidden map.
    public var hidden: Linear
    /// The nonlinearity after it: BERT's tanh, DistilBERT's max(0, x).
    public let activation: Activation
    /// To one logit per class.
    public var output: Linear

    /// A head, part by part.
    public init(hidden: Linear, activation: Activation, output: Linear) {
      self.hidden = hidden
      self.activation = activation
      self.output = output
    }
  }

  /// The shape.
  public var configuration: EncoderConfiguration
  /// One row per token.
  public var embedding: Linear
  /// One row per position.
  public var positions: Linear
  /// One row per segment; DistilBERT has none.
  public var segments: Linear?
  /// After the sum of the embeddings.
  public var embeddingNorm: Norm
  /// The layers, from the first to the last.
  public var layers: [Layer]
  /// The classification head, if there is one.
  public var classification: ClassificationHead?

  /// An encoder of a shape.
  public init(
    configuration: EncoderConfiguration, embedding: Linear, positions: Linear, segments: Linear?,
    embeddingNorm: Norm, layers: [Layer], classification: ClassificationHead?
  ) {
    self.configuration = configuration
    self.embedding = embedding
    self.positions = positions
    self.segments = segments
    self.embeddingNorm = embeddingNorm
    self.layers = layers
    self.classification = classification
  }

  /// The states after the last layer: one row per token of the batch.
  public func states<O: Operations>(_ batch: Batch, _ run: inout O) -> O.Value {
    advance(embedded(batch, &run), through: layers.indices, &run)
  }

  /// What the first layer reads.
  public func embedded<O: Operations>(_ batch: Batch, _ run: inout O) -> O.Value {
    var x = run.embed(batch.tokens, from: embedding, scale: 1)
    if let segments { x = run.add(x, run.embed(batch.segments, from: segments, scale: 1)) }
    x = run.add(x, run.embed(batch.positions.map(Int32.init), from: positions, scale: 1))
    return run.normalize(x, embeddingNorm)
  }

  /// The states after some layers, from those before them.
  public func advance<O: Operations>(_ x: O.Value, through range: Range<Int>, _ run: inout O) -> O.Value {
    var x = x
    for index in range {
      let layer = layers[index]
      let projected = run.project(x, [layer.query, layer.key, layer.value])
      let heads = configuration.heads(ofLayer: index)
      let mixed = run.attend(
        projected[0], projected[1], projected[2],
        Attention(
          layer: index, heads: heads, keyValueHeads: heads, headDimension: headDimension,
          scale: 1 / Float(headDimension).squareRoot(), reach: .everywhere))
      x = run.normalize(run.add(x, run.project(mixed, layer.attentionOutput)), layer.attentionNorm)
      let hidden = run.activate(run.project(x, layer.up), configuration.activation)
      x = run.normalize(run.add(x, run.project(hidden, layer.down)), layer.feedForwardNorm)
    }
    return x
  }

  /// The logits of the classes: one row per sequence of the batch, taken from its first token.
  ///
  /// - Returns: nil for a model without a classification head.
  public func classLogits<O: Operations>(_ states: O.Value, of batch: Batch, _ run: inout O) -> O.Value? {
    guard let head = classification else { return nil }
    let first = run.select(states, rows: batch.runs.map(\.rows.lowerBound))
    return run.project(run.activate(run.project(first, head.hidden), head.activation), head.output)
  }
}
