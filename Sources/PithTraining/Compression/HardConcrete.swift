import PithTensors

/// The hard concrete distribution of a gate: 0 or 1 with a probability each, and anything between that a gradient can pass through
/// (Louizos et al., arXiv 1712.01312, equations 10 to 13).
///
///     s = σ((log u − log(1 − u) + log α) / β)        z = min(1, max(0, s (ζ − γ) + γ))
enum HardConcrete {
  static let beta: Float = 2 / 3
  static let gamma: Float = -0.1
  static let zeta: Float = 1.1
  /// log α of a gate that is open with a probability of 97%: where training begins.
  static let start: Float = 2
  /// log α of a gate that is closed for good.
  static let closed: Float = -12

  /// A gate at the noise log u − log(1 − u), and its derivative with respect to log α.
  @inline(__always) static func sample(_ logAlpha: Float, noise: Float) -> (gate: Float, slope: Float) {
    let s = sigmoid((noise + logAlpha) / beta)
    let stretched = s * (zeta - gamma) + gamma
    guard stretched > 0, stretched < 1 else { return (stretched <= 0 ? 0 : 1, 0) }
    return (stretched, (zeta - gamma) * s * (1 - s) / beta)
  }

  /// The gate of a model that is used.
  @inline(__always) static func gate(_ logAlpha: Float) -> Float {
    min(1, max(0, sigmoid(logAlpha) * (zeta - gamma) + gamma))
  }

  /// The probability that a gate is not 0, and its derivative with respect to log α.
  @inline(__always) static func open(_ logAlpha: Float) -> (probability: Float, slope: Float) {
    let p = sigmoid(logAlpha - shift)
    return (p, p * (1 - p))
  }

  /// β log(−γ/ζ).
  private static let shift = beta * Float(Elementary.log(Double(-gamma / zeta)))
}

/// 1 / (1 + e⁻ˣ).
@inline(__always) func sigmoid(_ x: Float) -> Float { 1 / (1 + Float(Elementary.exp(Double(-x)))) }
