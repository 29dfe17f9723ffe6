import PithTensors

/// How the range of a group of affine codes is chosen.
///
/// The smallest and largest weight span it at first. A search then tries shares of that range, 1.00, 0.99 …
/// 0.21: the few weights beyond are clipped and all others get a finer step. The share of least error wins, so a
/// search never does worse in its own norm than `minMax`; squared errors end it where clipping alone costs twice that. (The grid and the power 2.4 are those of GPTQ's
/// reference implementation, arXiv 2210.17323.)
public enum RangeSearch: String, Sendable, CaseIterable {
  /// From the smallest to the largest weight.
  case minMax = "minmax"

  /// The share with the least sum of squared errors.
  case squaredError = "mse"

  /// The share with the least sum of |error|^2.4, which minds the large errors more.
  case power24 = "p2.4"

  /// The shares of the range that a search tries.
  private static let shares: [Float] = (0..<80).map { 1 - Float($0) / 100 }

  /// The best of the grids that `grid` makes for shares of the range.
  func best(for weights: UnsafeBufferPointer<Float>, grid: (_ share: Float) -> AffineGrid) -> AffineGrid {
    var best = grid(1)
    guard self != .minMax, best.scale.isFinite else { return best }
    var least = errors(of: weights, on: best).all
    for share in RangeSearch.shares.dropFirst() {
      let candidate = grid(share)
      let error = errors(of: weights, on: candidate)
      if error.all < least { (best, least) = (candidate, error.all) }
      // What is clipped only grows from here on; twice, since grids round the ends of their range.
      if error.clipped > 2 * least { break }
    }
    return best
  }

  /// Σ|w − ŵ|^p of weights rounded to a grid.
  func error(of weights: UnsafeBufferPointer<Float>, on grid: AffineGrid) -> Float {
    errors(of: weights, on: grid).all
  }

  /// Σ|w − ŵ|^p of weights rounded to a grid, and Σ(w − ŵ)² of weights only cut to its range (0 for other p).
  private func errors(
    of weights: UnsafeBufferPointer<Float>, on grid: AffineGrid
  ) -> (all: Float, clipped: Float) {
    let whole = weights.count & ~7
    var (sums, beyond) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
    let source = UnsafeRawBufferPointer(weights)
    for start in stride(from: 0, to: whole, by: 8) {
      add(source.loadUnaligned(fromByteOffset: start * 4, as: SIMD8<Float>.self), grid, &sums, &beyond)
    }
    if whole < weights.count {
      // Zeros lie on every grid, so padding adds no error.
      var rest = SIMD8<Float>.zero
      for index in whole..<weights.count { rest[index - whole] = weights[index] }
      add(rest, grid, &sums, &beyond)
    }
    let unit = grid.scale * grid.scale
    guard self == .power24 else { return (sums.sum() * unit, beyond.sum() * unit) }
    return (sums.sum() * RangeSearch.power12(SIMD8(repeating: unit))[0], 0)
  }

  /// Adds |w − ŵ|^p of eight weights, in units of the grid's step, and the squares of what is cut off.
  @inline(__always)
  private func add(
    _ weights: SIMD8<Float>, _ grid: AffineGrid, _ sums: inout SIMD8<Float>, _ beyond: inout SIMD8<Float>
  ) {
    let position = weights * (1 / grid.scale) + grid.zero
    var inside = position.replacing(with: grid.highest, where: position .> grid.highest)
    inside.replace(with: grid.lowest, where: position .< grid.lowest)
    // Adding 1.5 · 2^23 and taking it off again rounds to a whole number.
    let error = position - ((inside + 0x1.8p23) - 0x1.8p23)
    sums += self == .power24 ? RangeSearch.power12(error * error) : error * error
    beyond += (position - inside) * (position - inside)
  }

  /// a^1.2 of values ≥ 0, to a relative 10⁻⁶ from 10⁻²³ on: a · (a · r⁴) with r = a^(−1/5) by Newton's method.
  @inline(__always)
  static func power12(_ a: SIMD8<Float>) -> SIMD8<Float> {
    // At 0 the root would be infinite.
    let positive = a + 1e-30
    // The bits of a float are nearly its logarithm, and log r = −(log a)/5; 1/5 = 1/4 − 1/16 + 1/64 − …
    let bits = unsafeBitCast(positive, to: SIMD8<UInt32>.self)
    let fifth =
      (bits &>> 2) &- (bits &>> 4) &+ (bits &>> 6) &- (bits &>> 8) &+ (bits &>> 10) &- (bits &>> 12)
    var r = unsafeBitCast(SIMD8(repeating: 1_278_000_000) &- fifth, to: SIMD8<Float>.self)
    for _ in 0..<3 {
      let square = r * r
      r *= 1.2 - (positive * 0.2) * (square * square * r)
    }
    let square = r * r
    return a * (positive * (square * square))
  }
}
