#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Android)
  import Android
#elseif canImport(Darwin)
  import Darwin
#endif

/// The distribution of w/max|w| for a weight w of a block of B independent normal weights.
///
/// The weight is itself the largest with probability 1/B: an atom, half at −1 and half at 1. Otherwise, given
/// that the largest magnitude is m, the weight is a normal one cut off at ±m, so its scaled value lies in ±1.
/// Averaged over m, whose distribution function is (2Φ(m) − 1)^B, the part between 0 and x is
///
///     F(x) = (B − 1) ∫ 2φ(m) (2Φ(m) − 1)^(B−2) (Φ(xm) − ½) dm.
///
/// Source: arXiv 2306.06965, section 2. The integrals are Simpson sums.
struct AbsmaxNormal {
  /// Largest magnitudes m, and the factor of (Φ(xm) − ½) at each, the step of the sum included.
  private let nodes: [(m: Double, factor: Double)]

  /// The distribution for blocks of `blockSize` weights; a block of one, all atom, is treated as a block of two.
  init(blockSize: Int) {
    let size = Double(max(blockSize, 2))
    let steps = 400
    let end = 10.0
    nodes = (0...steps).compactMap { index in
      let m = end * Double(index) / Double(steps)
      let simpson = (index == 0 || index == steps ? 1.0 : index % 2 == 1 ? 4.0 : 2.0) / 3
      let factor =
        (size - 1) * 2 * AbsmaxNormal.normalDensity(m) * pow(erf(m * 0.5.squareRoot()), size - 2) * simpson
        * end
        / Double(steps)
      return factor > 1e-18 ? (m, factor) : nil
    }
  }

  /// The probability of a value above 0 and up to `x`, for x in 0...1, without the atom at 1.
  func cumulative(_ x: Double) -> Double {
    nodes.reduce(0) { $0 + $1.factor * 0.5 * erf(x * $1.m * 0.5.squareRoot()) }
  }

  /// The density at `x`, for x in 0...1.
  func density(_ x: Double) -> Double {
    nodes.reduce(0) { $0 + $1.factor * $1.m * AbsmaxNormal.normalDensity(x * $1.m) }
  }

  private static func normalDensity(_ x: Double) -> Double { exp(-x * x / 2) / (2 * Double.pi).squareRoot() }
}
