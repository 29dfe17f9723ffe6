/// The values of a codebook, and the thresholds that decide which of them a weight takes.
struct CodeTable {
  /// 2^bits values in rising order; a table with fewer distinct ones repeats its last.
  let values: [Float]

  /// 2^bits − 1 thresholds in rising order: the code of a weight is how many of them are not above it.
  let thresholds: [Float]

  /// A table whose weights take the nearest value.
  ///
  /// - Precondition: the values rise, and their number is a power of two.
  init(nearest values: [Float]) {
    self.init(
      values: values, thresholds: zip(values, values.dropFirst()).map { $0 / 2 + $1 / 2 })
  }

  /// A table with thresholds of its own.
  init(values: [Float], thresholds: [Float]) {
    precondition(thresholds.count == values.count - 1 && values.count.nonzeroBitCount == 1)
    self.values = values
    self.thresholds = thresholds
  }

  /// Writes the code of each weight, taken in units of its group's scale; O(bits) each.
  func encode(_ weights: UnsafeBufferPointer<Float>, scale: Float, into codes: UnsafeMutablePointer<UInt8>) {
    // A scale of 0 decodes to 0 whatever the code; x/∞ = 0 then picks the code of 0.
    let divisor = scale == 0 ? .infinity : scale
    thresholds.withUnsafeBufferPointer { thresholds in
      for index in 0..<weights.count { codes[index] = code(weights[index] / divisor, thresholds) }
    }
  }

  /// The code of a weight.
  func code(_ weight: Float) -> UInt8 { thresholds.withUnsafeBufferPointer { code(weight, $0) } }

  @inline(__always)
  private func code(_ weight: Float, _ thresholds: UnsafeBufferPointer<Float>) -> UInt8 {
    var code = 0
    // Codes are as good as random, so a branch would be mispredicted every other time: add the bit instead.
    for bit in stride(from: values.count.trailingZeroBitCount - 1, through: 0, by: -1) {
      let isAbove: UInt8 = thresholds[code + (1 &<< bit) - 1] <= weight ? 1 : 0
      code &+= Int(isAbove) &<< bit
    }
    return UInt8(truncatingIfNeeded: code)
  }
}
