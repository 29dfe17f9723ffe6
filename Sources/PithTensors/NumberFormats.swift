/// IEEE 754 half precision as bits: the type `Float16` does not exist on every platform.
public enum Half {
  /// The float32 value of half-precision bits (exact).
  @inlinable
  public static func decode(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7FFF)
    if magnitude >= 0x7C00 { return Float(bitPattern: sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13) }
    if magnitude >= 0x0400 { return Float(bitPattern: sign | (magnitude << 13) &+ 0x3800_0000) }
    let value = Float(magnitude) * 0x1p-24
    return sign == 0 ? value : -value
  }

  /// The nearest half-precision bits, ties to even; too large a magnitude becomes infinity.
  @inlinable
  public static func encode(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: (bits >> 16) & 0x8000)
    let magnitude = bits & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
    if magnitude >= 0x4780_0000 { return sign | 0x7C00 }
    if magnitude >= 0x3880_0000 {
      let rounded = magnitude &+ 0xFFF &+ ((magnitude >> 13) & 1)
      return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
    }
    // Subnormal: a multiple of 2⁻²⁴, and the scaling is exact.
    let scaled = (Float(bitPattern: magnitude) * 0x1p24).rounded(.toNearestOrEven)
    return sign | UInt16(scaled)
  }
}

/// The upper half of a float32 (bfloat16), as bits.
public enum BrainFloat {
  /// The float32 value of bfloat16 bits (exact).
  @inlinable
  public static func decode(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// The nearest bfloat16 bits, ties to even.
  @inlinable
  public static func encode(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if bits & 0x7FFF_FFFF > 0x7F80_0000 { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
  }
}
