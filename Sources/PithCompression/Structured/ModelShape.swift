import PithCheckpoints
import PithJSON
import PithModels

/// The sizes of a model that structured pruning changes.
struct ModelShape: Equatable {
  var layers: Int
  var heads: Int
  /// nil for an encoder.
  var keyValueHeads: Int?
  var headDimension: Int
  var neurons: Int

  /// The shape of a model.
  init(_ model: Model) {
    switch model {
    case .decoder(let decoder):
      let configuration = decoder.configuration
      layers = configuration.layers.count
      heads = configuration.heads
      keyValueHeads = configuration.keyValueHeads
      headDimension = configuration.headDimension
      neurons = configuration.feedForwardWidth
    case .encoder(let encoder):
      let configuration = encoder.configuration
      layers = configuration.layers
      heads = configuration.heads
      headDimension = configuration.width / configuration.heads
      neurons = configuration.feedForwardWidth
    }
  }

  /// What changes on the way to another shape, in a few words.
  func change(to other: ModelShape) -> String {
    let changes = [
      ("layers", layers, other.layers), ("heads", heads, other.heads),
      ("key-value heads", keyValueHeads ?? heads, other.keyValueHeads ?? other.heads),
      ("neurons", neurons, other.neurons),
    ].filter { $0.1 != $0.2 }
    return changes.map { "\($0.0) \($0.1) → \($0.2)" }.joined(separator: ", ")
  }

  /// For report cards.
  var json: JSONValue {
    var json: JSONValue = ["layers": .int(layers), "heads": .int(heads), "neurons": .int(neurons)]
    if let keyValueHeads { json["key_value_heads"] = .int(keyValueHeads) }
    return json
  }
}
