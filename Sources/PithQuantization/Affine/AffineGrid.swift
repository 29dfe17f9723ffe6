import PithTensors

/// The values that the affine codes of one group can take: s · (c − z) for c in `lowest...highest`.
///
/// The scale is a float16 value from the start, so codes are chosen for the scale that is stored. It is rounded
/// up, never down: then the grid spans the whole range, and no weight inside is off by more than s/2.
package struct AffineGrid: Equatable, Sendable {
  /// The step s > 0: exactly a float16 value, or infinite if float16 cannot hold it.
  package let scale: Float

  /// The code z of the value 0, a whole number.
  let zero: Float

  /// The smallest code: 0, or 1 if symmetric, whose codes are balanced about z = 2^(bits−1).
  let lowest: Float

  /// The largest code, 2^bits − 1.
  let highest: Float

  private init(scale: Float, zero: Float, lowest: Float, highest: Float) {
    self.scale = scale
    self.zero = zero
    self.lowest = lowest
    self.highest = highest
  }

  /// The same grid with its 0 at another code, which need not be whole.
  func withZero(_ zero: Float) -> AffineGrid {
    AffineGrid(scale: scale, zero: zero, lowest: lowest, highest: highest)
  }

  /// The asymmetric grid of another scale that has some weights in its middle.
  func withScale(_ scale: Float, for weights: [Float]) -> AffineGrid {
    guard scale > 0 else { return AffineGrid(scale: 0, zero: 0, lowest: lowest, highest: highest) }
    let (low, high) = (weights.reduce(0, min), weights.reduce(0, max))
    let middle = (highest / 2 - (low + high) / (2 * scale)).rounded()
    return AffineGrid(scale: scale, zero: min(highest, max(0, middle)), lowest: lowest, highest: highest)
  }

  /// The asymmetric grid that spans `low...high`, widened to contain 0.
  init(low: Float, high: Float, bits: Int) {
    let (low, high) = (min(low, 0), max(high, 0))
    lowest = 0
    highest = Float(1 << bits - 1)
    // Halves, so that a range of nearly the largest float does not overflow.
    scale = Half.atLeast((high / 2 - low / 2) / (highest / 2))
    zero = scale.isFinite ? min((-low / scale).rounded(), highest) : 0
  }

  /// The symmetric grid that spans `−magnitude...magnitude`.
  init(magnitude: Float, bits: Int) {
    zero = Float(1 << (bits - 1))
    lowest = 1
    highest = Float(1 << bits - 1)
    scale = Half.atLeast(magnitude / (highest - zero))
  }

  /// The grid of a group whose weights are all `value`: it holds the value itself, rounded to float16, one step
  /// from zero. Nil if float16 cannot hold it.
  init?(constant value: Float, bits: Int, symmetric: Bool) {
    let magnitude = Half.decode(Half.encode(value.magnitude))
    guard magnitude.isFinite else { return nil }
    // Any scale decodes an all-zero group; 1 is one that no reader trips over.
    scale = magnitude == 0 ? 1 : magnitude
    zero = symmetric ? Float(1 << (bits - 1)) : value < 0 ? 1 : 0
    lowest = symmetric ? 1 : 0
    highest = Float(1 << bits - 1)
  }

  /// The grid of a group of weights.
  init(fitting weights: UnsafeBufferPointer<Float>, bits: Int, symmetric: Bool, range: RangeSearch) {
    self.init(fitting: weights, bits: bits, symmetric: symmetric) { range.best(for: weights, grid: $0) }
  }

  /// The grid of a group of weights, of which `choose` says what share of the range it spans.
  init(
    fitting weights: UnsafeBufferPointer<Float>, bits: Int, symmetric: Bool,
    choose: (_ grid: (_ share: Float) -> AffineGrid) -> AffineGrid
  ) {
    var (low, high) = (weights[0], weights[0])
    for weight in weights { (low, high) = (min(low, weight), max(high, weight)) }
    if low == high, let grid = AffineGrid(constant: low, bits: bits, symmetric: symmetric) {
      self = grid
      return
    }
    self = choose { shrink in
      symmetric
        ? AffineGrid(magnitude: shrink * max(-low, high), bits: bits)
        : AffineGrid(low: shrink * low, high: shrink * high, bits: bits)
    }
  }

  /// Writes the code of the nearest value for each weight.
  func round(_ weights: UnsafeBufferPointer<Float>, into codes: UnsafeMutablePointer<UInt8>) {
    for index in 0..<weights.count { codes[index] = code(weights[index]) }
  }

  /// What a code decodes to.
  @inline(__always)
  func value(_ code: UInt8) -> Float { scale * (Float(code) - zero) }

  /// The code of the nearest value.
  @inline(__always)
  func code(_ weight: Float) -> UInt8 {
    // In this order a NaN, which an infinite scale makes, becomes the lowest code.
    let code = min(highest, max(lowest, weight / scale + zero))
    return UInt8(truncatingIfNeeded: Int32(code + 0.5))
  }
}

extension Half {
  /// The smallest float16 value that is positive and not below `value`; infinity above 65504.
  static func atLeast(_ value: Float) -> Float {
    let nearest = encode(value)
    return decode(decode(nearest) < value || nearest == 0 ? nearest + 1 : nearest)
  }
}
