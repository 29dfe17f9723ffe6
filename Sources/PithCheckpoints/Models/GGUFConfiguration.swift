import PithJSON
import PithModels

/// The keys of a GGUF file, said in the terms of a `config.json`: what is read from either kind of checkpoint goes
/// through one door, and a model that came as GGUF can be written as a folder.
struct GGUFConfiguration {
  let gguf: GGUFFile
  /// The architecture's name in GGUF.
  let architecture: String
  /// The family that it is.
  let family: DecoderConfiguration.Family

  /// - Throws: `CheckpointError` if the file does not name its architecture, or names one that is not known.
  init(_ gguf: GGUFFile) throws(CheckpointError) {
    guard let architecture = gguf.metadata["general.architecture"]?.string else {
      throw .badData(path: gguf.name, fault: "'general.architecture' is missing")
    }
    let families: [String: DecoderConfiguration.Family] = [
      "llama": .llama, "qwen2": .qwen2, "qwen3": .qwen3, "gemma3": .gemma3,
    ]
    guard let family = families[architecture] else {
      throw .badData(
        path: gguf.name, fault: Checkpoint.unknown(architecture), mend: "use a model of one of these")
    }
    self.gguf = gguf
    self.architecture = architecture
    self.family = family
  }

  /// Whether the rows of queries and keys lie in pairs that turn together: llama.cpp's way for Llama alone.
  var pairedRotaryRows: Bool { family == .llama }

  /// The configuration of the model in the terms of a Hugging Face folder.
  func huggingFace() throws(CheckpointError) -> JSONValue {
    let heads = try size("attention.head_count")
    let width = try size("embedding_length")
    let classes: [DecoderConfiguration.Family: String] = [
      .llama: "LlamaForCausalLM", .qwen2: "Qwen2ForCausalLM", .qwen3: "Qwen3ForCausalLM",
      .gemma3: "Gemma3ForCausalLM",
    ]
    let headDimension = try optionalSize("attention.key_length") ?? width / max(1, heads)
    var config: JSONValue = [
      "architectures": [.string(classes[family] ?? "")],
      "model_type": .string(family.rawValue),
      "vocab_size": .int(try vocabularySize()),
      "hidden_size": .int(width),
      "intermediate_size": .int(try size("feed_forward_length")),
      "num_hidden_layers": .int(try size("block_count")),
      "num_attention_heads": .int(heads),
      "num_key_value_heads": .int(try optionalSize("attention.head_count_kv") ?? heads),
      "head_dim": .int(headDimension),
      "max_position_embeddings": .int(try size("context_length")),
      "rms_norm_eps": .double(try number("attention.layer_norm_rms_epsilon") ?? 1e-6),
      "tie_word_embeddings": .bool(gguf["output.weight"] == nil),
      "rope_theta": .double(try number("rope.freq_base") ?? 10_000),
      "torch_dtype": "float32",
    ]
    if let scaling = try rotaryScaling(headDimension: headDimension) { config["rope_scaling"] = scaling }
    if family == .gemma3 {
      // llama.cpp scales by the head's width but for the 27B model.
      let scalar = try size("block_count") == 62 ? width / heads : headDimension
      config["hidden_activation"] = "gelu_pytorch_tanh"
      config["query_pre_attn_scalar"] = .int(scalar)
      config["sliding_window"] = .int(try size("attention.sliding_window"))
      config["sliding_window_pattern"] = .int(try optionalSize("attention.sliding_window_pattern") ?? 6)
      config["rope_local_base_freq"] = .double(try number("rope.freq_base_swa") ?? 10_000)
    } else {
      config["hidden_act"] = "silu"
    }
    for (member, key) in [("bos_token_id", "bos_token_id"), ("eos_token_id", "eos_token_id")] {
      if let id = gguf.metadata["tokenizer.ggml." + key]?.int { config[member] = .int(id) }
    }
    return config
  }

  private func rotaryScaling(headDimension: Int) throws(CheckpointError) -> JSONValue? {
    if gguf["rope_freqs.weight"] != nil {
      return try llama3Scaling(headDimension: headDimension)
    }
    guard let kind = value("rope.scaling.type")?.string, kind != "none" else { return nil }
    guard kind == "linear" else {
      throw bad("rotary scaling \(kind.quoted) is not one that Pith knows: none, linear")
    }
    guard let factor = try number("rope.scaling.factor") else {
      throw bad("'rope.scaling.factor' is missing")
    }
    return factor == 1 ? nil : ["rope_type": "linear", "factor": .double(factor)]
  }

  /// Finds the four numbers of Llama 3.1's rule from the divisors that the file stores in its place.
  private func llama3Scaling(headDimension: Int) throws(CheckpointError) -> JSONValue {
    guard let entry = gguf["rope_freqs.weight"], entry.type == .float32, entry.shape == [headDimension / 2]
    else {
      throw bad("tensor 'rope_freqs.weight' must hold \(headDimension / 2) float32 numbers")
    }
    let divisors = entry.bytes.array(of: Float.self)
    let base = Float(try number("rope.freq_base") ?? 10_000)
    let plain = Rotary(base: base).frequencies(dimension: headDimension)
    let factor = divisors.max() ?? 1
    let trained = try optionalSize("rope.scaling.original_context_length")
    for context in [trained, 8192].compactMap({ $0 }) + (3...17).map({ 1 << $0 }) {
      let scaling = Rotary.Scaling.llama3(
        factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: context)
      let scaled = Rotary(base: base, scaling: scaling).frequencies(dimension: headDimension)
      let fits = zip(zip(plain, scaled), divisors).allSatisfy { abs($0.0 / $0.1 - $1) <= 1e-3 * $1 }
      if fits {
        return [
          "rope_type": "llama3", "factor": .double(Double(factor)), "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": .int(context),
        ]
      }
    }
    throw bad("the rotary divisors in 'rope_freqs.weight' follow no rule that Pith knows")
  }

  private func vocabularySize() throws(CheckpointError) -> Int {
    guard let rows = gguf["token_embd.weight"]?.shape.first else {
      throw bad("'token_embd.weight' is missing")
    }
    return rows
  }

  private func bad(_ fault: String) -> CheckpointError { .badData(path: gguf.name, fault: fault) }

  private func value(_ key: String) -> GGUFValue? { gguf.metadata["\(architecture).\(key)"] }

  private func optionalSize(_ key: String) throws(CheckpointError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let size = value.int, (1...1 << 24).contains(size) else {
      throw bad("'\(architecture).\(key)' must be a whole number from 1 to \(1 << 24)")
    }
    return size
  }

  private func size(_ key: String) throws(CheckpointError) -> Int {
    guard let size = try optionalSize(key) else { throw bad("'\(architecture).\(key)' is missing") }
    return size
  }

  private func number(_ key: String) throws(CheckpointError) -> Double? {
    guard let value = value(key) else { return nil }
    // The shortest decimal that is the same float32: what a person would have written.
    guard let number = value.double, number.isFinite, number > 0, let short = Double("\(Float(number))")
    else {
      throw bad("'\(architecture).\(key)' must be a positive number")
    }
    return short
  }
}
