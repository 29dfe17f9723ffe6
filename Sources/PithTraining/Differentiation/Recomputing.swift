import PithModels

extension Decoder {
  /// The normalized residual stream after the last layer, of which only what goes into each layer is kept for the way back.
  public func states(_ tokens: [Int32], recomputing run: inout Differentiation) -> Variable {
    var x = run.embed(tokens, from: embedding, scale: configuration.embeddingScale)
    for index in layers.indices {
      x = run.recomputed(x) { run, x in advance(x, through: index..<(index + 1), &run) }
    }
    return run.normalize(x, finalNorm)
  }
}

extension Encoder {
  /// The states after the last layer, of which only what goes into each layer is kept for the way back.
  public func states(_ batch: Batch, recomputing run: inout Differentiation) -> Variable {
    var x = embedded(batch, &run)
    for index in layers.indices {
      x = run.recomputed(x) { run, x in advance(x, through: index..<(index + 1), &run) }
    }
    return x
  }
}
