import PithJSON

// The members of documents that say what was measured, named once.
extension JSONValue {
  /// Adds what a model weighs.
  public mutating func add(_ size: ModelSize) {
    self["size_bytes"] = .int(size.bytes)
    self["parameters"] = .int(size.parameters)
    if let bits = size.bitsPerWeight { self["bits_per_weight"] = .double(bits) }
    self["bits_per_weight_model"] = .double(size.bitsPerWeightOfModel)
  }

  /// Adds how fast it is.
  public mutating func add(_ speed: GenerationSpeed) {
    self["prefill_tokens_per_second"] = .double(speed.prefillTokensPerSecond)
    self["decode_tokens_per_second"] = .double(speed.decodeTokensPerSecond)
    self["latency_ms"] = speed.latency.json
  }

  /// Adds how fast texts are read, for each size of batch.
  public mutating func add(_ speeds: [EncodingSpeed]) {
    self["batches"] = .array(
      speeds.map {
        [
          "texts": .int($0.batch), "texts_per_second": .double($0.textsPerSecond),
          "latency_ms": $0.latency.json,
        ]
      })
  }

  /// Adds how well it predicts.
  public mutating func add(_ quality: LanguageQuality) {
    self["perplexity"] = .double(quality.perplexity)
    if let divergence = quality.klDivergence { self["kl_divergence"] = .double(divergence) }
    if let agreement = quality.top1Agreement { self["top1_agreement"] = .double(agreement) }
    self["windows"] = .int(quality.windows)
    self["tokens"] = .int(quality.tokens)
  }
}

extension Latency {
  fileprivate var json: JSONValue {
    [
      "p50": .double(milliseconds(percentile: 50)), "p90": .double(milliseconds(percentile: 90)),
      "p99": .double(milliseconds(percentile: 99)), "max": .double(maxMilliseconds),
    ]
  }
}
