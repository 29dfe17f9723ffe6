import PithTensors

/// Rotary position embedding (RoFormer, arXiv 2104.09864): pairs (x_i, x_{i+d/2}) turn by position · frequency_i.
public struct Rotary: Sendable, Hashable {
  /// How the frequencies are stretched for contexts longer than the trained one.
  public enum Scaling: Sendable, Hashable {
    /// Frequencies as they are.
    case none

    /// All frequencies divided by `factor` (Chen et al., arXiv 2306.15595).
    case linear(factor: Float)

    /// Llama 3.1's rule: low frequencies divided by `factor`, high ones kept, a smooth blend between.
    case llama3(factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContext: Int)
  }

  /// The base θ: frequency_i = θ^(−2i/d).
  public var base: Float

  /// The stretching rule.
  public var scaling: Scaling

  /// A rotary embedding of a base and scaling.
  public init(base: Float, scaling: Scaling = .none) {
    self.base = base
    self.scaling = scaling
  }

  /// The `dimension / 2` angular frequencies, in radians per position.
  public func frequencies(dimension: Int) -> [Float] {
    (0..<dimension / 2).map { index in
      let plain = 1 / Elementary.pow(base, Float(2 * index) / Float(dimension))
      switch scaling {
      case .none: return plain
      case .linear(let factor): return plain / factor
      case .llama3(let factor, let low, let high, let context):
        let wavelength = 2 * Float.pi / plain
        if wavelength < Float(context) / high { return plain }
        if wavelength > Float(context) / low { return plain / factor }
        let smooth = (Float(context) / wavelength - low) / (high - low)
        return (1 - smooth) * plain / factor + smooth * plain
      }
    }
  }
}
