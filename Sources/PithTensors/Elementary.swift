import CPithKernels

/// Elementary functions, for the places that compute a table once; inner loops have kernels of their own.
public enum Elementary {
  /// x^y.
  public static func pow(_ x: Float, _ y: Float) -> Float { pith_pow(x, y) }

  /// e^x.
  public static func exp(_ x: Double) -> Double { pith_exp(x) }

  /// The natural logarithm.
  public static func log(_ x: Double) -> Double { pith_log(x) }

  /// The cosine of an angle in radians.
  public static func cos(_ x: Float) -> Float { pith_cos(x) }

  /// The sine of an angle in radians.
  public static func sin(_ x: Float) -> Float { pith_sin(x) }

  /// The hyperbolic tangent.
  public static func tanh(_ x: Float) -> Float { pith_tanh(x) }
}
