import PithCheckpoints
import PithModels
import PithWeights

/// How small, or how good, a model shall become.
public enum Target: Sendable, Equatable {
  /// At most so many bytes for all weights.
  case size(bytes: Int)

  /// At most so many bits per weight of the matrices in layers, every byte counted.
  case bitsPerWeight(Double)

  /// A perplexity at most this share above the original's, on text that was held out.
  case perplexityIncrease(Double)
}

extension Target {
  /// Finds a target that no storages meet, before anything is measured.
  ///
  /// - Throws: `TargetError`, or what reading the model throws.
  public func check(_ source: Checkpoint) throws {
    guard case .decoder(let decoder) = try source.model() else { throw TargetError.encoder }
    func smallest(_ maps: [Linear]) -> Int {
      maps.reduce(0) { sum, map in
        let candidates = map.place.layer == nil ? Candidate.embeddings : Candidate.layers
        return sum + candidates.map { $0.bytes(rows: map.weight.rows, columns: map.weight.columns) }.min()!
      }
    }
    switch self {
    case .size(let bytes):
      let other = ModelContents(decoder).vectors.reduce(0) { $0 + $1.values.count * 4 }
      let least = smallest(decoder.maps) + other
      if bytes < least { throw TargetError.tooSmall(bytes: bytes, smallest: least) }
    case .bitsPerWeight(let bits):
      let layers = decoder.maps.filter { $0.place.layer != nil }
      let (least, weights) = (smallest(layers), layers.reduce(0) { $0 + $1.weight.rows * $1.weight.columns })
      if Int(bits * Double(weights) / 8) < least {
        throw TargetError.tooSmall(bits: bits, smallestBytes: least, weights: weights)
      }
    case .perplexityIncrease: break
    }
  }
}

/// Why a target cannot be met: one sentence with the fault and its mend.
public enum TargetError: Error, Equatable, CustomStringConvertible {
  /// Even the smallest candidates are larger.
  case tooSmall(wanted: String, smallest: String)
  /// The search needs what only decoders have.
  case encoder

  static func tooSmall(bytes: Int, smallest: Int) -> TargetError {
    func text(_ bytes: Int) -> String {
      bytes < 1_000_000 ? "\(Double(bytes / 100) / 10) kB" : "\(Double(bytes / 10_000) / 100) MB"
    }
    return .tooSmall(wanted: text(bytes), smallest: text(smallest))
  }

  static func tooSmall(bits: Double, smallestBytes: Int, weights: Int) -> TargetError {
    .tooSmall(wanted: "\(bits) bits per weight", smallest: "\(Double(smallestBytes * 800 / weights) / 100)")
  }

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
