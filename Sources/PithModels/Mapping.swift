extension Decoder {
  /// The decoder with what `maps` and `norms` make of each of its maps and norms.
  public func mapping(
    maps: (Linear) -> Linear, norms: (Norm) -> Norm = { $0 }
  ) -> Decoder {
    var result = self
    result.embedding = maps(embedding)
    result.layers = layers.map { $0.mapping(maps: maps, norms: norms) }
    result.finalNorm = norms(finalNorm)
    result.untiedHead = untiedHead.map(maps)
    return result
  }
}

extension Decoder.Layer {
  /// The layer with what `maps` and `norms` make of each of its maps and norms.
  public func mapping(
    maps: (Linear) -> Linear, norms: (Norm) -> Norm = { $0 }
  ) -> Decoder.Layer {
    Decoder.Layer(
      attentionNorm: norms(attentionNorm), query: maps(query), key: maps(key),
      value: maps(value), queryNorm: queryNorm.map(norms), keyNorm: keyNorm.map(norms),
      attentionOutput: maps(attentionOutput), attentionOutputNorm: attentionOutputNorm.map(norms),
      feedForwardNorm: norms(feedForwardNorm), gate: maps(gate), up: maps(up),
      down: maps(down), feedForwardOutputNorm: feedForwardOutputNorm.map(norms))
  }
}

extension Encoder {
  /// The encoder with what `maps` and `norms` make of each of its maps and norms.
  public func mapping(
    maps: (Linear) -> Linear, norms: (Norm) -> Norm = { $0 }
  ) -> Encoder {
    var result = self
    result.embedding = maps(embedding)
    result.positions = maps(positions)
    result.segments = segments.map(maps)
    result.embeddingNorm = norms(embeddingNorm)
    result.layers = layers.map { $0.mapping(maps: maps, norms: norms) }
    result.classification?.hidden = maps(classification!.hidden)
    result.classification?.output = maps(classification!.output)
    return result
  }
}

extension Encoder.Layer {
  /// The layer with what `maps` and `norms` make of each of its maps and norms.
  public func mapping(
    maps: (Linear) -> Linear, norms: (Norm) -> Norm = { $0 }
  ) -> Encoder.Layer {
    Encoder.Layer(
      query: maps(query), key: maps(key), value: maps(value),
      attentionOutput: maps(attentionOutput), attentionNorm: norms(attentionNorm), up: maps(up),
      down: maps(down), feedForwardNorm: norms(feedForwardNorm))
  }
}
