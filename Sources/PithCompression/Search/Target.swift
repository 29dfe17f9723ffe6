/// How small, or how good, a model shall become.
public enum Target: Sendable, Equatable {
  /// At most so many bytes for all weights.
  case size(bytes: Int)

  /// At most so many bits per weight of the matrices in layers, every byte counted.
  case bitsPerWeight(Double)

  /// A perplexity at most this share above the original's, on text that was held out.
  case perplexityIncrease(Double)
}

/// Why a target cannot be met: one sentence with the fault and its mend.
public enum TargetError: Error, Equatable, CustomStringConvertible {
  /// Even the smallest candidates are larger.
  case tooSmall(wanted: String, smallest: String)
  /// The search needs what only decoders have.
  case encoder

  /// The sentence.
  public var description: String {
    switch self {
    case .tooSmall(let wanted, let smallest):
      "The target of \(wanted) is below what the smallest storages of this model take, \(smallest): choose a larger one."
    case .encoder:
      "A search for a target measures how a model writes, which an encoder does not: name a method instead."
    }
  }
}
