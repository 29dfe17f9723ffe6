import PithModels
import PithTensors
import PithWeights

/// Puts a decoder together from the tensors of a checkpoint.
struct DecoderReader {
  let checkpoint: Checkpoint
  let configuration: DecoderConfiguration
  let names: DecoderNames
  /// Whether rows of queries and keys lie in pairs, as llama.cpp puts them for some families.
  let pairedRotaryRows: Bool
  /// What is added to the stored scales of norms: Gemma's folders store them less 1.
  let normOffset: Float

  func decoder() throws(CheckpointError) -> Decoder {
    let width = configuration.width
    let embedding = try map(.init(.embedding), rows: configuration.vocabularySize, columns: width)
    let headPlace = Place(.head)
    let isTied = configuration.tiedHead || !checkpoint.contains(names.name(of: headPlace) + ".weight")
    var layers: [Decoder.Layer] = []
    for index in configuration.layers.indices { layers.append(try layer(index)) }
    return Decoder(
      configuration: configuration,
      embedding: embedding,
      layers: layers,
      finalNorm: try norm(NormPlace(.final), count: width),
      untiedHead: isTied ? nil : try map(headPlace, rows: configuration.vocabularySize, columns: width))
  }

  private func layer(_ index: Int) throws(CheckpointError) -> Decoder.Layer {
    let (width, inner) = (configuration.width, configuration.feedForwardWidth)
    let queryWidth = configuration.heads * configuration.headDimension
    let keyValueWidth = configuration.keyValueWidth
    func norm(_ role: NormPlace.Role, count: Int) throws(CheckpointError) -> Norm {
      try self.norm(NormPlace(role, layer: index), count: count)
    }
    func place(_ role: Place.Role) -> Place { Place(role, layer: index) }
    let normalizesHeads = configuration.family == .qwen3 || configuration.family == .gemma3
    let normalizesOutputs = configuration.family == .gemma3
    return Decoder.Layer(
      attentionNorm: try norm(.attention, count: width),
      query: try map(place(.query), rows: queryWidth, columns: width),
      key: try map(place(.key), rows: keyValueWidth, columns: width),
      value: try map(place(.value), rows: keyValueWidth, columns: width),
      queryNorm: normalizesHeads ? try norm(.query, count: configuration.headDimension) : nil,
      keyNorm: normalizesHeads ? try norm(.key, count: configuration.headDimension) : nil,
      attentionOutput: try map(place(.attentionOutput), rows: width, columns: queryWidth),
      attentionOutputNorm: normalizesOutputs ? try norm(.attentionOutput, count: width) : nil,
      feedForwardNorm: try norm(.feedForward, count: width),
      gate: try map(place(.gate), rows: inner, columns: width),
      up: try map(place(.up), rows: inner, columns: width),
      down: try map(place(.down), rows: width, columns: inner),
      feedForwardOutputNorm: normalizesOutputs ? try norm(.feedForwardOutput, count: width) : nil)
  }

  private func map(_ place: Place, rows: Int, columns: Int) throws(CheckpointError) -> Linear {
    let name = names.name(of: place)
    var weight = try checkpoint.matrix(name + ".weight", rows: rows, columns: columns)
    var bias = checkpoint.contains(name + ".bias") ? try checkpoint.vector(name + ".bias", count: rows) : nil
    if pairedRotaryRows, place.role == .query || place.role == .key {
      let order = unpairedRows(rows)
      weight = weight.selecting(rows: order)
      bias = bias.map { bias in order.map { bias[$0] } }
    }
    return Linear(weight, bias: bias, at: place)
  }

  /// Where each row of a query or key matrix lies when the two rows that turn together are neighbours.
  private func unpairedRows(_ rows: Int) -> [Int] {
    let dimension = configuration.headDimension
    return (0..<rows).map { row in
      let (head, index) = (row / dimension * dimension, row % dimension)
      return head + (index < dimension / 2 ? 2 * index : 2 * (index - dimension / 2) + 1)
    }
  }

  private func norm(_ place: NormPlace, count: Int) throws(CheckpointError) -> Norm {
    var weight = try checkpoint.vector(names.name(of: place) + ".weight", count: count)
    if normOffset != 0 { for index in weight.indices { weight[index] += normOffset } }
    return Norm(.rootMeanSquare, weight: weight, epsilon: configuration.normEpsilon, at: place)
  }
}
