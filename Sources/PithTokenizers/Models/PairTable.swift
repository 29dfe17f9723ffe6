/// Which two tokens merge into which, and how early: an open-addressing table.
struct PairTable: Sendable {
  private var keys: [UInt64]
  private var values: [UInt64]
  private let seed = ByteHash.processSeed
  private(set) var count = 0

  init(capacity: Int) {
    let bits = Int.bitWidth - max(2 * capacity, 16).leadingZeroBitCount
    keys = [UInt64](repeating: .max, count: 1 << bits)
    values = [UInt64](repeating: 0, count: 1 << bits)
  }

  /// Adds a merge; of two for the same pair the later stays.
  mutating func insert(_ left: Int32, _ right: Int32, rank: Int, merged: Int32) {
    precondition(2 * count < keys.count, "more merges than the table has room for")
    let slot = slot(Self.key(left, right))
    if keys[slot] == .max { count += 1 }
    keys[slot] = Self.key(left, right)
    values[slot] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merged))
  }

  /// The rank in the upper half and the merged token in the lower; all ones where the pair does not merge.
  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> UInt64 {
    let key = Self.key(left, right)
    let slot = slot(key)
    return keys[slot] == key ? values[slot] : .max
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func slot(_ key: UInt64) -> Int {
    keys.withUnsafeBufferPointer { keys in
      let mask = keys.count &- 1
      var slot = Int(truncatingIfNeeded: ByteHash.hash(key, seed: seed)) & mask
      while keys[slot] != .max, keys[slot] != key { slot = (slot &+ 1) & mask }
      return slot
    }
  }
}
