import PithJSON
import PithModels
import PithWeights

extension JSONValue {
  /// A `config.json` with the sizes of a model in the place of those it names: the same family, cut smaller.
  public func describing(_ model: Model) -> JSONValue {
    var json = self
    switch model {
    case .decoder(let decoder):
      let shape = decoder.configuration
      json["num_hidden_layers"] = .int(shape.layers.count)
      json["num_attention_heads"] = .int(shape.heads)
      json["num_key_value_heads"] = .int(shape.keyValueHeads)
      json["head_dim"] = .int(shape.headDimension)
      json["intermediate_size"] = .int(shape.feedForwardWidth)
      // A rule for which layers see a window would count wrong once layers are gone.
      let isMixed = shape.family == .gemma3 || shape.layers.contains { $0.window != nil }
      json["layer_types"] =
        isMixed && shape.family != .mistral
        ? .array(shape.layers.map { $0.window == nil ? "full_attention" : "sliding_attention" }) : nil
      if case .dense(let weight) = decoder.embedding.weight { json.setType(weight.format) }
    case .encoder(let encoder):
      let (shape, isBERT) = (encoder.configuration, encoder.configuration.family == .bert)
      json[isBERT ? "num_hidden_layers" : "n_layers"] = .int(shape.layers)
      json[isBERT ? "intermediate_size" : "hidden_dim"] = .int(shape.feedForwardWidth)
      let pruned = shape.prunedHeads.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }
      if !pruned.isEmpty || json["pruned_heads"] != nil {
        json["pruned_heads"] = .object(pruned.map { .init("\($0)", .array($1.map { .int($0) })) })
      }
      if case .dense(let weight)? = encoder.layers.first?.up.weight { json.setType(weight.format) }
    }
    return json
  }

  /// Sets the type of the weights in a `config.json`, under the name that it has there: older ones say `torch_dtype`.
  public mutating func setType(_ format: Dense.Format) {
    if self["dtype"] == nil {
      self["torch_dtype"] = .string(format.rawValue)
    } else {
      self["dtype"] = .string(format.rawValue)
      self["torch_dtype"] = nil
    }
  }
}
