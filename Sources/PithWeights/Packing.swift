import PithTensors

/// Rows of unsigned codes of 1–16 bits, packed.
///
/// A row is a stream of bits: code j occupies bits j·b … j·b + b − 1, lowest bits first, and each row starts
/// at a byte. Four bits thus put code 0 in the low half of byte 0 and code 1 in its high half.
public enum Packing {
  /// The bytes of a row of `count` codes of `bits` bits.
  @inlinable
  public static func bytesPerRow(_ count: Int, bits: Int) -> Int { (count * bits + 7) / 8 }

  /// Packs `rows` rows of codes, each below 2^bits.
  @inlinable
  public static func pack<Code: FixedWidthInteger & UnsignedInteger>(
    _ codes: [Code], rows: Int, bits: Int
  ) -> Bytes {
    precondition(
      (1...min(16, Code.bitWidth)).contains(bits) && (rows == 0 ? codes.isEmpty : codes.count % rows == 0))
    let columns = rows == 0 ? 0 : codes.count / rows
    let stride = bytesPerRow(columns, bits: bits)
    return Bytes(count: rows * stride) { target in
      for row in 0..<rows {
        var word: UInt32 = 0
        var filled = 0
        var byte = row * stride
        for column in 0..<columns {
          word |= UInt32(truncatingIfNeeded: codes[row * columns + column]) << filled
          filled += bits
          while filled >= 8 {
            target[byte] = UInt8(truncatingIfNeeded: word)
            byte += 1
            word >>= 8
            filled -= 8
          }
        }
        if filled > 0 { target[byte] = UInt8(truncatingIfNeeded: word) }
      }
    }
  }

  /// The codes of `rows` packed rows of `columns` codes, as numbers that hold `bits` bits.
  @inlinable
  public static func unpack<Code: FixedWidthInteger & UnsignedInteger>(
    _ packed: Bytes, rows: Int, columns: Int, bits: Int, as: Code.Type = UInt8.self
  ) -> [Code] {
    let stride = bytesPerRow(columns, bits: bits)
    let mask = UInt32(1) << UInt32(bits) - 1
    let source = packed.unsafePointer
    return [Code](unsafeUninitializedCapacity: rows * columns) { target, filled in
      for row in 0..<rows {
        for column in 0..<columns {
          let bit = column * bits
          let byte = row * stride + bit / 8
          var word = UInt32(source[byte])
          if bit % 8 + bits > 8 { word |= UInt32(source[byte + 1]) << 8 }
          if bit % 8 + bits > 16 { word |= UInt32(source[byte + 2]) << 16 }
          target.initializeElement(
            at: row * columns + column, to: Code(truncatingIfNeeded: (word >> UInt32(bit % 8)) & mask))
        }
      }
      filled = rows * columns
      withExtendedLifetime(packed) {}
    }
  }
}
