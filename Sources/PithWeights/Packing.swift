import PithTensors

/// Rows of unsigned codes of 1–8 bits, packed.
///
/// A row is a stream of bits: code j occupies bits j·b … j·b + b − 1, lowest bits first, and each row starts
/// at a byte. Four bits thus put code 0 in the low half of byte 0 and code 1 in its high half.
public enum Packing {
  /// The bytes of a row of `count` codes of `bits` bits.
  @inlinable
  public static func bytesPerRow(_ count: Int, bits: Int) -> Int { (count * bits + 7) / 8 }

  /// Packs `rows` rows of codes, each below 2^bits.
  public static func pack(_ codes: [UInt8], rows: Int, bits: Int) -> Bytes {
    precondition((1...8).contains(bits) && (rows == 0 ? codes.isEmpty : codes.count % rows == 0))
    let columns = rows == 0 ? 0 : codes.count / rows
    let stride = bytesPerRow(columns, bits: bits)
    return Bytes(count: rows * stride) { target in
      for row in 0..<rows {
        var word: UInt32 = 0
        var filled = 0
        var byte = row * stride
        for column in 0..<columns {
          word |= UInt32(codes[row * columns + column]) << filled
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

  /// The codes of `rows` packed rows of `columns` codes.
  public static func unpack(_ packed: Bytes, rows: Int, columns: Int, bits: Int) -> [UInt8] {
    let stride = bytesPerRow(columns, bits: bits)
    let mask = UInt16(1 << bits) - 1
    let source = packed.unsafePointer
    return [UInt8](unsafeUninitializedCapacity: rows * columns) { target, filled in
      for row in 0..<rows {
        for column in 0..<columns {
          let bit = column * bits
          let byte = row * stride + bit / 8
          var word = UInt16(source[byte])
          if bit % 8 + bits > 8 { word |= UInt16(source[byte + 1]) << 8 }
          target[row * columns + column] = UInt8(truncatingIfNeeded: (word >> UInt16(bit % 8)) & mask)
        }
      }
      filled = rows * columns
      withExtendedLifetime(packed) {}
    }
  }
}
