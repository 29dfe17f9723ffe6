/// The merges of a byte-pair encoding: from a pair of ids to the rank and the id of their union.
struct MergeTable: Sendable, PairRanking {
  private var keys: [UInt64]
  private var joins: [UInt64]
  private let seed = ByteHash.processSeed
  private var count = 0

  /// A table with room for `capacity` merges.
  init(capacity: Int) {
    let bits = Int.bitWidth - max(capacity + capacity / 2, 16).leadingZeroBitCount
    keys = [UInt64](repeating: .max, count: 1 << bits)
    joins = [UInt64](repeating: noMerge, count: 1 << bits)
  }

  /// Adds a merge; the newest of equal pairs stays.
  mutating func insert(_ left: Int32, _ right: Int32, rank: Int, id: Int32) {
    let slot = slot(left, right)
    if keys[slot] == .max {
      count += 1
      precondition(count < keys.count, "the capacity is the number of merges")
    }
    keys[slot] = Self.key(left, right)
    joins[slot] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: id))
  }

  /// Whether some merge involves one of these tokens.
  func joinsAny(of ids: Set<Int32>) -> Bool {
    guard let low = ids.min(), let high = ids.max() else { return false }
    return keys.contains { key in
      let left = Int32(truncatingIfNeeded: key >> 32)
      let right = Int32(truncatingIfNeeded: key)
      return (left >= low && left <= high && ids.contains(left))
        || (right >= low && right <= high && ids.contains(right))
    }
  }

  @inline(__always)
  func join(_ left: MergeSymbol, _ right: MergeSymbol) -> UInt64 { joins[slot(left.id, right.id)] }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func slot(_ left: Int32, _ right: Int32) -> Int {
    keys.withUnsafeBufferPointer { keys in
      let key = Self.key(left, right)
      let mask = keys.count &- 1
      var slot = Int(truncatingIfNeeded: ByteHash.hash(key, seed: seed)) & mask
      while keys[slot] != key, keys[slot] != .max { slot = (slot &+ 1) & mask }
      return slot
    }
  }
}
