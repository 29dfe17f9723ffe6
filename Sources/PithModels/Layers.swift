extension Decoder {
  /// The decoder with some of its layers, in their order and counted anew.
  public func keeping(layers kept: [Int]) -> Decoder {
    var configuration = self.configuration
    configuration.layers = kept.map { self.configuration.layers[$0] }
    let layers = kept.enumerated().map { index, old in
      self.layers[old].mapping(maps: { $0.moved(to: index) }, norms: { $0.moved(to: index) })
    }
    return Decoder(
      configuration: configuration, embedding: embedding, layers: layers, finalNorm: finalNorm,
      untiedHead: untiedHead)
  }
}

extension Encoder {
  /// The encoder with some of its layers, in their order and counted anew.
  public func keeping(layers kept: [Int]) -> Encoder {
    var configuration = self.configuration
    configuration.layers = kept.count
    configuration.prunedHeads = [:]
    for (index, old) in kept.enumerated() {
      configuration.prunedHeads[index] = self.configuration.prunedHeads[old]
    }
    let layers = kept.enumerated().map { index, old in
      self.layers[old].mapping(maps: { $0.moved(to: index) }, norms: { $0.moved(to: index) })
    }
    return Encoder(
      configuration: configuration, embedding: embedding, positions: positions, segments: segments,
      embeddingNorm: embeddingNorm, layers: layers, classification: classification)
  }
}

extension Linear {
  /// The map in another layer.
  fileprivate func moved(to layer: Int) -> Linear {
    Linear(weight, bias: bias, at: Place(place.role, layer: layer))
  }
}

extension Norm {
  /// The norm in another layer.
  fileprivate func moved(to layer: Int) -> Norm {
    Norm(kind, weight: weight, epsilon: epsilon, at: NormPlace(place.role, layer: layer))
  }
}
