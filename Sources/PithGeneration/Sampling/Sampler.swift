import PithTensors

/// Draws tokens: temperature first, then top-k, then top-p, then one random number.
public struct Sampler: Sendable {
  private let sampling: Sampling
  private var random: SeededGenerator

  /// A sampler that starts from the seed of its settings.
  public init(_ sampling: Sampling) {
    self.sampling = sampling
    random = SeededGenerator(seed: sampling.seed)
  }

  /// The next token for a row of logits; the lowest id among equals.
  public mutating func sample(_ logits: some Collection<Float>) -> Int32 {
    guard sampling.temperature > 0 else { return Sampler.mostLikely(logits) }
    let candidates = Sampler.distribution(logits, sampling)
    var remaining = random.uniform()
    for candidate in candidates {
      remaining -= candidate.probability
      if remaining < 0 { return candidate.token }
    }
    return candidates.last?.token ?? 0
  }

  /// The token with the highest logit; the lowest id among equals.
  public static func mostLikely(_ logits: some Collection<Float>) -> Int32 {
    var best: (token: Int32, logit: Float) = (0, -.infinity)
    for (index, logit) in logits.enumerated() where logit > best.logit { best = (Int32(index), logit) }
    return best.token
  }

  /// The tokens that can be drawn, the most likely first, with probabilities that add up to 1.
  public static func distribution(
    _ logits: some Collection<Float>, _ sampling: Sampling
  ) -> [(token: Int32, probability: Float)] {
    var candidates = logits.enumerated().map { (token: Int32($0), probability: $1 / sampling.temperature) }
    let falls = { (a: (token: Int32, probability: Float), b: (token: Int32, probability: Float)) in
      a.probability != b.probability ? a.probability > b.probability : a.token < b.token
    }
    if let topK = sampling.topK, topK < candidates.count {
      let kth = candidates.map(\.probability).sorted(by: >)[topK - 1]
      candidates = Array(candidates.filter { $0.probability >= kth }.sorted(by: falls).prefix(topK))
    } else if sampling.topP < 1 {
      candidates.sort(by: falls)
    }
    normalize(&candidates)
    if sampling.topP < 1 {
      var sum: Float = 0
      let kept = candidates.firstIndex {
        sum += $0.probability
        return sum >= sampling.topP
      }
      if let kept { candidates.removeSubrange((kept + 1)...) }
      normalize(&candidates, fromLogits: false)
    }
    return candidates
  }

  private static func normalize(
    _ candidates: inout [(token: Int32, probability: Float)], fromLogits: Bool = true
  ) {
    if fromLogits {
      let highest = candidates.reduce(-Float.infinity) { max($0, $1.probability) }
      for index in candidates.indices {
        candidates[index].probability = Float(Elementary.exp(Double(candidates[index].probability - highest)))
      }
    }
    let sum = candidates.reduce(Float(0)) { $0 + $1.probability }
    for index in candidates.indices { candidates[index].probability /= sum }
  }
}
