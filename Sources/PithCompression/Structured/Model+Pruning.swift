import PithCheckpoints
import PithModels
import PithTensors
import PithWeights

extension Model {
  /// The model in another shape, with what `map` makes of each map of its layers.
  func reshaped(_ shape: ModelShape, _ map: (Linear) -> Linear) -> Model {
    switch self {
    case .decoder(let decoder):
      var configuration = decoder.configuration
      configuration.heads = shape.heads
      configuration.keyValueHeads = shape.keyValueHeads ?? shape.heads
      configuration.feedForwardWidth = shape.neurons
      return .decoder(decoder.with(configuration, decoder.layers.map { $0.mapping(maps: map) }))
    case .encoder(let encoder):
      var configuration = encoder.configuration
      configuration.feedForwardWidth = shape.neurons
      return .encoder(encoder.with(configuration, encoder.layers.map { $0.mapping(maps: map) }))
    }
  }

  /// The model with other weights in all its maps.
  func replacingWeights(_ weight: (Linear) -> StoredMatrix) -> Model {
    func map(_ old: Linear) -> Linear { Linear(weight(old), bias: old.bias, at: old.place) }
    switch self {
    case .decoder(let decoder): return .decoder(decoder.mapping(maps: map))
    case .encoder(let encoder): return .encoder(encoder.mapping(maps: map))
    }
  }

  /// A model of a shape, of the first layers and with zeros in changed matrices, which all lie in the same memory: what a
  /// plan needs to know.
  func outline(_ shape: ModelShape) -> Model {
    func bytes(_ map: Linear) -> Int {
      let (rows, columns) = shape.size(of: map)
      return rows * columns * (map.weight.plainFormat == .float32 ? 4 : 2)
    }
    let zeros = Bytes(count: maps.map(bytes).max() ?? 0) { _ in }
    return keeping(layers: Array(0..<shape.layers)).reshaped(shape) { map in
      let (rows, columns) = shape.size(of: map)
      if (rows, columns) == (map.weight.rows, map.weight.columns) { return map }
      let weight = Dense(
        rows: rows, columns: columns, format: map.weight.plainFormat, values: zeros[0..<bytes(map)])
      return Linear(.dense(weight), bias: map.bias.map { Array($0.prefix(rows)) }, at: map.place)
    }
  }
}

extension ModelShape {
  /// Rows and columns of a map of a layer.
  fileprivate func size(of map: Linear) -> (Int, Int) {
    let (rows, columns) = (map.weight.rows, map.weight.columns)
    switch (map.place.role, keyValueHeads) {
    case (.gate, _), (.up, _): return (neurons, columns)
    case (.down, _): return (rows, neurons)
    // An encoder keeps the heads that it has, which may be fewer in some layers.
    case (.query, .some): return (heads * headDimension, columns)
    case (.key, let groups?), (.value, let groups?): return (groups * headDimension, columns)
    case (.attentionOutput, .some): return (rows, heads * headDimension)
    default: return (rows, columns)
    }
  }
}

extension StoredMatrix {
  /// How the matrix is stored where every tool is to read it: as it came if that is plain, in float16 otherwise.
  var plainFormat: Dense.Format {
    if case .dense(let dense) = self { dense.format } else { .float16 }
  }
}

extension Decoder {
  fileprivate func with(_ configuration: DecoderConfiguration, _ layers: [Layer]) -> Decoder {
    Decoder(
      configuration: configuration, embedding: embedding, layers: layers, finalNorm: finalNorm,
      untiedHead: untiedHead)
  }
}

extension Encoder {
  fileprivate func with(_ configuration: EncoderConfiguration, _ layers: [Layer]) -> Encoder {
    Encoder(
      configuration: configuration, embedding: embedding, positions: positions, segments: segments,
      embeddingNorm: embeddingNorm, layers: layers, classification: classification)
  }
}
