import PithJSON
import PithModels

extension DecoderConfiguration {
  /// Reads the `config.json` of a decoder.
  ///
  /// - Throws: `CheckpointError` naming the file and the member at fault.
  init(_ fields: Fields, family: Family) throws(CheckpointError) {
    let width = try fields.size("hidden_size")
    let heads = try fields.size("num_attention_heads")
    let keyValueHeads = try fields.size(optional: "num_key_value_heads") ?? heads
    guard heads % keyValueHeads == 0 else {
      throw fields.bad("\(heads) query heads cannot share \(keyValueHeads) key-value heads evenly")
    }
    let headDimension: Int
    if let given = try fields.size(optional: "head_dim") {
      headDimension = given
    } else if family == .gemma3 {
      headDimension = 256
    } else {
      guard width % heads == 0 else {
        throw fields.bad("'head_dim' is missing, and \(heads) heads do not divide a width of \(width)")
      }
      headDimension = width / heads
    }
    guard headDimension % 2 == 0 else {
      throw fields.bad("a head of \(headDimension) columns cannot be rotated in pairs")
    }
    let layers = try fields.size("num_hidden_layers")
    guard layers <= 4096 else { throw fields.bad("\(layers) layers are more than the 4096 that Pith reads") }
    try fields.refuse("final_logit_softcapping") { _ in false }
    try fields.refuse("attn_logit_softcapping") { _ in false }
    try fields.refuse("use_bidirectional_attention") { $0.bool == false }

    let scalar = family == .gemma3 ? try fields.number(optional: "query_pre_attn_scalar") ?? 256 : nil
    self.init(
      family: family,
      vocabularySize: try fields.size("vocab_size"),
      width: width,
      feedForwardWidth: try fields.size("intermediate_size"),
      heads: heads,
      keyValueHeads: keyValueHeads,
      headDimension: headDimension,
      layers: try Self.layers(fields, family, count: layers),
      normEpsilon: try fields.number(optional: "rms_norm_eps") ?? 1e-6,
      activation: try Activation(
        fields, fields.text(family == .gemma3 ? "hidden_activation" : "hidden_act"),
        default: family == .gemma3 ? .geluTanh : .silu),
      attentionScale: 1 / (scalar ?? Float(headDimension)).squareRoot(),
      embeddingScale: family == .gemma3 ? Float(width).squareRoot() : 1,
      contextLength: try fields.size(optional: "max_position_embeddings") ?? 2048,
      tiedHead: try fields.flag("tie_word_embeddings") ?? (family == .gemma3))
  }

  private static func layers(
    _ fields: Fields, _ family: Family, count: Int
  ) throws(CheckpointError) -> [Layer] {
    let window = try window(fields, family)
    let isLocal = try localLayers(fields, family, count: count)
    let everywhere: Rotary
    let local: Rotary
    if let parameters = try fields.object("rope_parameters"),
      let global = try parameters.object("full_attention")
    {
      everywhere = try Rotary(global, scaling: global)
      let sliding = try parameters.object("sliding_attention") ?? global
      local = try Rotary(sliding, scaling: sliding)
    } else {
      let parameters = try fields.object("rope_parameters")
      let scaling = try fields.object("rope_scaling")
      everywhere = try Rotary(
        parameters ?? fields, scaling: parameters ?? scaling,
        defaultBase: family == .gemma3 ? 1_000_000 : 10_000)
      local =
        family == .gemma3
        ? Rotary(base: try fields.number(optional: "rope_local_base_freq") ?? 10_000) : everywhere
    }
    return isLocal.map { Layer(window: $0 ? window : nil, rotary: $0 ? local : everywhere) }
  }

  private static func window(_ fields: Fields, _ family: Family) throws(CheckpointError) -> Int? {
    switch family {
    case .llama: nil
    case .mistral: try fields.size(optional: "sliding_window")
    case .gemma3: try fields.size(optional: "sliding_window") ?? 4096
    case .qwen2, .qwen3:
      try fields.flag("use_sliding_window") == true ? try fields.size(optional: "sliding_window") : nil
    }
  }

  /// Which layers see only a window: as the list of layer types says, or by each family's rule.
  private static func localLayers(
    _ fields: Fields, _ family: Family, count: Int
  ) throws(CheckpointError) -> [Bool] {
    if let types = try fields.texts("layer_types"), family != .llama, family != .mistral {
      guard types.count == count else { throw fields.bad("'layer_types' must name \(count) layers") }
      var local: [Bool] = []
      for type in types {
        switch type {
        case "sliding_attention": local.append(true)
        case "full_attention": local.append(false)
        default: throw fields.bad("layer type '\(type)' is neither full_attention nor sliding_attention")
        }
      }
      return local
    }
    switch family {
    case .llama: return [Bool](repeating: false, count: count)
    case .mistral: return [Bool](repeating: true, count: count)
    case .qwen2, .qwen3:
      let first = try fields.size(optional: "max_window_layers") ?? 28
      return (0..<count).map { $0 >= first }
    case .gemma3:
      let period = try fields.size(optional: "sliding_window_pattern") ?? 6
      return (0..<count).map { ($0 + 1) % period != 0 }
    }
  }
}

extension Rotary {
  /// Reads the base from one object and the scaling from another.
  init(_ fields: Fields, scaling: Fields?, defaultBase: Float = 10_000) throws(CheckpointError) {
    self.init(base: try fields.number(optional: "rope_theta") ?? defaultBase)
    guard let scaling else { return }
    let (type, oldType) = (try scaling.text("rope_type"), try scaling.text("type"))
    let kind = type ?? oldType ?? "default"
    switch kind {
    case "default": break
    case "linear": self.scaling = .linear(factor: try scaling.number("factor"))
    case "llama3":
      self.scaling = .llama3(
        factor: try scaling.number("factor"), lowFrequencyFactor: try scaling.number("low_freq_factor"),
        highFrequencyFactor: try scaling.number("high_freq_factor"),
        originalContext: try scaling.size("original_max_position_embeddings"))
    default:
      throw scaling.bad("rotary scaling '\(kind)' is not one that Pith knows: default, linear, llama3")
    }
  }
}

extension Activation {
  /// The activation of a name; the default where there is none.
  init(_ fields: Fields, _ name: String?, default fallback: Activation) throws(CheckpointError) {
    switch name {
    case nil: self = fallback
    case "silu", "swish": self = .silu
    case "gelu": self = .gelu
    case "gelu_pytorch_tanh", "gelu_new", "gelu_fast": self = .geluTanh
    case "relu": self = .relu
    case let name?:
      throw fields.bad("activation '\(name)' is not one that Pith knows: silu, gelu, gelu_pytorch_tanh, relu")
    }
  }
}
