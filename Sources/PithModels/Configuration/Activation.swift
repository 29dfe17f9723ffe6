/// The nonlinearity of a feed-forward layer.
public enum Activation: Sendable {
  /// x · σ(x).
  case silu

  /// x · Φ(x), with the exact error function.
  case gelu

  /// The tanh approximation of `gelu` (Hendrycks and Gimpel, arXiv 1606.08415).
  case geluTanh

  /// max(0, x).
  case relu

  /// tanh(x).
  case tanh
}
