/// How the next token is chosen from the logits.
public struct Sampling: Sendable, Equatable {
  /// What logits are divided by; 0 takes the most likely token (greedy).
  public var temperature: Float

  /// Only the `topK` most likely tokens remain; nil for all.
  public var topK: Int?

  /// Only the most likely tokens whose probabilities reach `topP` together remain (nucleus sampling, Holtzman
  /// et al., arXiv 1904.09751); 1 for all.
  public var topP: Float

  /// Where the random numbers start.
  public var seed: UInt64

  /// Sampling with a temperature, limits and a seed.
  public init(temperature: Float = 0.7, topK: Int? = nil, topP: Float = 1, seed: UInt64 = 0) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.seed = seed
  }

  /// The most likely token, always.
  public static let greedy = Sampling(temperature: 0)
}
