import PithModels
import PithTensors
import PithWeights

/// Puts an encoder together from the tensors of a checkpoint.
struct EncoderReader {
  let checkpoint: Checkpoint
  let configuration: EncoderConfiguration
  let names: EncoderNames

  func encoder() throws(CheckpointError) -> Encoder {
    let width = configuration.width
    let segments = Place(.segments)
    var layers: [Encoder.Layer] = []
    for index in 0..<configuration.layers { layers.append(try layer(index)) }
    return Encoder(
      configuration: configuration,
      embedding: try table(Place(.embedding), rows: configuration.vocabularySize),
      positions: try table(Place(.positions), rows: configuration.contextLength),
      segments: configuration.family == .bert ? try table(segments, rows: nil) : nil,
      embeddingNorm: try norm(NormPlace(.embedding), count: width),
      layers: layers,
      classification: try classification())
  }

  private func layer(_ index: Int) throws(CheckpointError) -> Encoder.Layer {
    let (width, inner) = (configuration.width, configuration.feedForwardWidth)
    let heads = configuration.heads(ofLayer: index) * (width / configuration.heads)
    func place(_ role: Place.Role) -> Place { Place(role, layer: index) }
    return Encoder.Layer(
      query: try map(place(.query), rows: heads, columns: width),
      key: try map(place(.key), rows: heads, columns: width),
      value: try map(place(.value), rows: heads, columns: width),
      attentionOutput: try map(place(.attentionOutput), rows: width, columns: heads),
      attentionNorm: try norm(NormPlace(.attention, layer: index), count: width),
      up: try map(place(.up), rows: inner, columns: width),
      down: try map(place(.down), rows: width, columns: inner),
      feedForwardNorm: try norm(NormPlace(.feedForward, layer: index), count: width))
  }

  private func classification() throws(CheckpointError) -> Encoder.ClassificationHead? {
    let (hidden, output) = (Place(.pooler), Place(.classifier))
    guard checkpoint.contains(names.name(of: output) + ".weight") else { return nil }
    let width = configuration.width
    return Encoder.ClassificationHead(
      hidden: try map(hidden, rows: width, columns: width),
      activation: configuration.family == .bert ? .tanh : .relu,
      output: try map(output, rows: configuration.labels.count, columns: width))
  }

  private func table(_ place: Place, rows: Int?) throws(CheckpointError) -> Linear {
    let name = names.name(of: place) + ".weight"
    return Linear(try checkpoint.matrix(name, rows: rows, columns: configuration.width), at: place)
  }

  private func map(_ place: Place, rows: Int, columns: Int) throws(CheckpointError) -> Linear {
    let name = names.name(of: place)
    return Linear(
      try checkpoint.matrix(name + ".weight", rows: rows, columns: columns),
      bias: try checkpoint.vector(name + ".bias", count: rows), at: place)
  }

  private func norm(_ place: NormPlace, count: Int) throws(CheckpointError) -> Norm {
    let name = names.name(of: place)
    // TensorFlow's first checkpoints say gamma and beta.
    let isOld = !checkpoint.contains(name + ".weight") && checkpoint.contains(name + ".gamma")
    return Norm(
      .layer(bias: try checkpoint.vector(name + (isOld ? ".beta" : ".bias"), count: count)),
      weight: try checkpoint.vector(name + (isOld ? ".gamma" : ".weight"), count: count),
      epsilon: configuration.normEpsilon, at: place)
  }
}
