import PithJSON
import PithQuantization

extension Recipe {
  /// The recipe in full, every option said: what report cards and unfinished work record.
  public var json: JSONValue {
    var json: JSONValue = ["embedding-bits": .int(embeddingBits ?? 0), "steps": .array(steps.map(\.json))]
    if let drop { json["drop"] = drop.json }
    return json
  }
}

extension Recipe.Step {
  /// The step in the keys of a recipe.
  public var json: JSONValue {
    var json: JSONValue = ["method": .string(method.name)]
    for option in MethodOptions.Name.allCases where method.options.contains(option) {
      json[option.rawValue] = .string(options.text(of: option))
    }
    var layers: JSONValue = ["roles": .array(layers.roles.map(\.rawValue).sorted().map { .string($0) })]
    if let names = self.layers.names { layers["names"] = .array(names.map { .string($0) }) }
    if let indices = self.layers.indices { layers["indices"] = .string(LayerSelection.text(of: indices)) }
    json["layers"] = layers
    return json
  }

  /// The method with the options that differ from its defaults, in a few words.
  public var summary: String {
    let shown: [MethodOptions.Name] = MethodOptions.Name.allCases.filter {
      method.options.contains($0) && ($0 == .bits || options.text(of: $0) != method.defaults.text(of: $0))
    }
    return ([method.name] + shown.map { "\($0.rawValue) \(options.text(of: $0))" }).joined(separator: ", ")
  }
}
