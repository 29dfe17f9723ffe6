/// A fast hash of bytes and integers, seeded per process so that no file can be built to make tables slow.
enum ByteHash {
  private static let seed = UInt64.random(in: .min ... .max)
  private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// The seed, to be kept in a table: a static is guarded at each access.
  static var processSeed: UInt64 { seed }

  @inline(__always)
  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  @inline(__always)
  static func hash(_ value: UInt64, seed: UInt64) -> UInt64 {
    fold(value ^ seed, multiplier ^ (seed &>> 32 | 1))
  }

  @inline(__always)
  static func hash(_ bytes: UnsafeBufferPointer<UInt8>, seed: UInt64) -> UInt64 {
    guard let base = bytes.baseAddress else { return fold(seed, multiplier) }
    let raw = UnsafeRawPointer(base)
    let count = bytes.count
    var state = fold(seed ^ UInt64(truncatingIfNeeded: count), multiplier)
    var offset = 0
    while offset + 8 < count {
      state = fold(state ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self), multiplier ^ seed)
      offset += 8
    }
    var tail: UInt64 = 0
    if count >= 8 {
      tail = raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
    } else if count >= 4 {
      tail =
        UInt64(raw.loadUnaligned(as: UInt32.self)) << 32
        | UInt64(raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
    } else if count > 0 {
      tail = UInt64(base[0]) << 16 | UInt64(base[count / 2]) << 8 | UInt64(base[count - 1])
    }
    return fold(fold(state ^ tail, multiplier ^ seed), multiplier)
  }
}
