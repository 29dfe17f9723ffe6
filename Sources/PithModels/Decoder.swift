import PithWeights

/// A decoder-only transformer: Llama, Mistral, Qwen 2 and 3, Gemma 3.
public struct Decoder: Sendable {
  /// The weights of one layer.
  public struct Layer: Sendable {
    /// Before attention.
    public var attentionNorm: Norm
    /// The queries.
    public var query: Linear
    /// The keys.
    public var key: Linear
    /// The values.
    public var value: Linear
    /// Qwen 3 and Gemma 3 normalize each query head …
    public var queryNorm: Norm?
    /// … and each key head.
    public var keyNorm: Norm?
    /// From the heads back to the residual stream.
    public var attentionOutput: Linear
    /// Gemma 3 normalizes what attention adds.
    public var attentionOutputNorm: Norm?
    /// Before the feed-forward layer.
    public var feedForwardNorm: Norm
    /// The gate.
    public var gate: Linear
    /// What the gate lets through.
    public var up: Linear
    /// Back to the residual stream.
    public var down: Linear
    /// Gemma 3 normalizes what the feed-forward layer adds.
    public var feedForwardOutputNorm: Norm?

    /// A layer, part by part.
    public init(
      attentionNorm: Norm, query: Linear, key: Linear, value: Linear, queryNorm: Norm?, keyNorm: Norm?,
      attentionOutput: Linear, attentionOutputNorm: Norm?, feedForwardNorm: Norm, gate: Linear, up: Linear,
      down: Linear, feedForwardOutputNorm: Norm?
    ) {
      self.attentionNorm = attentionNorm
      self.query = query
      self.key = key
      self.value = value
      self.queryNorm = queryNorm
      self.keyNorm = keyNorm
      self.attentionOutput = attentionOutput
      self.attentionOutputNorm = attentionOutputNorm
      self.feedForwardNorm = feedForwardNorm
      self.gate = gate
      self.up = up
      self.down = down
      self.feedForwardOutputNorm = feedForwardOutputNorm
    }
  }

  /// The shape.
  public let configuration: DecoderConfiguration
  /// One row per token.
  public var embedding: Linear
  /// The layers, from the first to the last.
  public var layers: [Layer]
  /// After the last layer.
  public var finalNorm: Norm
  /// From the residual stream to logits; nil where the embedding serves.
  public var untiedHead: Linear?

  /// A decoder of a shape.
  public init(
    configuration: DecoderConfiguration, embedding: Linear, layers: [Layer], finalNorm: Norm,
    untiedHead: Linear?
  ) {
    self.configuration = configuration
    self.embedding = embedding
    self.layers = layers
    self.finalNorm = finalNorm
    self.untiedHead = untiedHead
  }

  /// The same decoder, made to write token by token: behind a ReLU, 16-bit matrices lie column after column, and those whose
  /// input is 0 are not read. Where no input is 0 it is the decoder as it is.
  public var skippingZeros: Decoder {
    guard configuration.activation == .relu else { return self }
    var turned = self
    for index in layers.indices { turned.layers[index].down.weight = layers[index].down.weight.byColumns }
    return turned
  }

  /// From the residual stream to logits.
  public var head: Linear { untiedHead ?? embedding }

  /// The normalized residual stream after the last layer: one row per token of the batch.
  public func states<O: Operations>(_ tokens: [Int32], _ run: inout O) -> O.Value {
    let x = run.embed(tokens, from: embedding, scale: configuration.embeddingScale)
    return run.normalize(advance(x, through: layers.indices, &run), finalNorm)
  }

  /// The residual stream after some layers, from that before them.
  public func advance<O: Operations>(_ x: O.Value, through range: Range<Int>, _ run: inout O) -> O.Value {
    var x = x
    for index in range {
      x = run.add(x, attention(x, layers[index], at: index, &run))
      x = run.add(x, feedForward(x, layers[index], &run))
    }
    return x
  }

  /// The logits of some rows: one column per token of the vocabulary.
  public func logits<O: Operations>(_ states: O.Value, _ run: inout O) -> O.Value {
    run.project(states, head)
  }

  private func attention<O: Operations>(
    _ x: O.Value, _ layer: Layer, at index: Int, _ run: inout O
  ) -> O.Value {
    let shape = configuration.layers[index]
    let normalized = run.normalize(x, layer.attentionNorm)
    let projected = run.project(normalized, [layer.query, layer.key, layer.value])
    var (query, key) = (projected[0], projected[1])
    if let norm = layer.queryNorm { query = run.normalize(query, norm) }
    if let norm = layer.keyNorm { key = run.normalize(key, norm) }
    query = run.rotate(query, headDimension: configuration.headDimension, shape.rotary)
    key = run.rotate(key, headDimension: configuration.headDimension, shape.rotary)
    let mixed = run.attend(
      query, key, projected[2],
      Attention(
        layer: index, heads: configuration.heads, keyValueHeads: configuration.keyValueHeads,
        headDimension: configuration.headDimension, scale: configuration.attentionScale,
        reach: .before(window: shape.window)))
    let output = run.project(mixed, layer.attentionOutput)
    return layer.attentionOutputNorm.map { run.normalize(output, $0) } ?? output
  }

  private func feedForward<O: Operations>(_ x: O.Value, _ layer: Layer, _ run: inout O) -> O.Value {
    let normalized = run.normalize(x, layer.feedForwardNorm)
    let projected = run.project(normalized, [layer.gate, layer.up])
    let gated = run.gate(projected[0], projected[1], configuration.activation)
    let output = run.project(gated, layer.down)
    return layer.feedForwardOutputNorm.map { run.normalize(output, $0) } ?? output
  }
}
