import PithJSON
import PithModels

extension EncoderConfiguration {
  /// Reads the `config.json` of an encoder.
  ///
  /// - Throws: `CheckpointError` naming the file and the member at fault.
  init(_ fields: Fields, family: Family) throws(CheckpointError) {
    let bert = family == .bert
    let width = try fields.size(bert ? "hidden_size" : "dim")
    let heads = try fields.size(bert ? "num_attention_heads" : "n_heads")
    guard width % heads == 0 else { throw fields.bad("\(heads) heads do not divide a width of \(width)") }
    let layers = try fields.size(bert ? "num_hidden_layers" : "n_layers")
    guard layers <= 4096 else { throw fields.bad("\(layers) layers are more than the 4096 that Pith reads") }
    try fields.refuse("position_embedding_type") { $0.isString("absolute") }
    self.init(
      family: family,
      vocabularySize: try fields.size("vocab_size"),
      width: width,
      feedForwardWidth: try fields.size(bert ? "intermediate_size" : "hidden_dim"),
      heads: heads,
      layers: layers,
      contextLength: try fields.size("max_position_embeddings"),
      normEpsilon: try fields.number(optional: "layer_norm_eps") ?? 1e-12,
      activation: try Activation(fields, fields.text(bert ? "hidden_act" : "activation"), default: .gelu),
      labels: try Self.labels(fields))
    prunedHeads = try Self.prunedHeads(fields, layers: layers, heads: heads)
  }

  /// The heads that were cut out of layers, such as `{"0": [1, 3]}`: each layer has one left.
  private static func prunedHeads(
    _ fields: Fields, layers: Int, heads: Int
  ) throws(CheckpointError) -> [Int: [Int]] {
    guard let found = try fields.object("pruned_heads") else { return [:] }
    var pruned: [Int: [Int]] = [:]
    for member in found.json.object! {
      let list = member.value.array.map { $0.compactMap(\.int) } ?? []
      guard let layer = Int(member.key), (0..<layers).contains(layer), list.count == member.value.count,
        Set(list).count == list.count, list.count < heads, list.allSatisfy((0..<heads).contains)
      else {
        throw fields.bad("'pruned_heads' must name some of the \(heads) heads of layers 0 to \(layers - 1)")
      }
      pruned[layer] = list.sorted()
    }
    return pruned
  }

  /// The names of the classes, in order; two unnamed ones where the configuration names none, as is usual.
  private static func labels(_ fields: Fields) throws(CheckpointError) -> [String] {
    guard let names = try fields.object("id2label") else { return ["LABEL_0", "LABEL_1"] }
    let count = names.json.count ?? 0
    var labels: [String] = []
    for index in 0..<count {
      guard let label = try names.text(String(index)) else {
        throw fields.bad("'id2label' must name the classes 0 to \(count - 1)")
      }
      labels.append(label)
    }
    return labels
  }
}
