/// Finds a name that occurs twice in an object, comparing the bytes that the names stand for.
///
/// Small objects are compared pair by pair; larger ones go through an open-addressing table whose hash is
/// seeded per process, so that no document can be built to make it slow.
struct DuplicateKeys {
  private var table: [UInt64] = []
  private var scratch: [UInt8] = []
  private var other: [UInt8] = []

  /// The byte offset of the second occurrence, or nil when all names differ.
  mutating func find(
    inObjectAt start: Int, tape: [Node], source: UnsafeBufferPointer<UInt8>
  ) -> Int? {
    let count = tape[start].extent
    guard count > 1 else { return nil }
    return count <= 8
      ? findByPairs(start, tape, source) : findByHash(start, count, tape, source)
  }

  private mutating func findByPairs(
    _ start: Int, _ tape: [Node], _ source: UnsafeBufferPointer<UInt8>
  ) -> Int? {
    let end = tape[start].place
    var key = start + 1
    while key < end {
      var earlier = start + 1
      while earlier < key {
        if areEqual(tape[earlier], tape[key], source) { return tape[key].place - 1 }
        earlier = indexAfterMember(earlier, tape)
      }
      key = indexAfterMember(key, tape)
    }
    return nil
  }

  private mutating func findByHash(
    _ start: Int, _ count: Int, _ tape: [Node], _ source: UnsafeBufferPointer<UInt8>
  ) -> Int? {
    let bits = Int.bitWidth - (2 * count - 1).leadingZeroBitCount
    let size = 1 << bits
    if table.count < size {
      table = [UInt64](repeating: 0, count: size)
    } else {
      for slot in 0..<size { table[slot] = 0 }
    }
    let end = tape[start].place
    var key = start + 1
    while key < end {
      let hash = hash(tape[key], source)
      var slot = hash & (size - 1)
      // A key's index is never 0, so 0 marks an empty slot.
      let tag = UInt64(truncatingIfNeeded: hash) & ~0xFFFF_FFFF
      while table[slot] != 0 {
        if table[slot] & ~0xFFFF_FFFF == tag,
          areEqual(tape[Int(table[slot] & 0xFFFF_FFFF)], tape[key], source)
        {
          return tape[key].place - 1
        }
        slot = (slot + 1) & (size - 1)
      }
      table[slot] = tag | UInt64(key)
      key = indexAfterMember(key, tape)
    }
    return nil
  }

  @inline(__always)
  private func indexAfterMember(_ key: Int, _ tape: [Node]) -> Int {
    let value = tape[key + 1]
    switch value.kind {
    case .array, .object: return value.place
    default: return key + 2
    }
  }

  private mutating func hash(_ key: Node, _ source: UnsafeBufferPointer<UInt8>) -> Int {
    var hasher = Hasher()
    let raw = source[key.place..<key.place + key.extent]
    if key.kind == .escapedString {
      scratch.removeAll(keepingCapacity: true)
      unescape(raw, into: &scratch)
      scratch.withUnsafeBytes { hasher.combine(bytes: $0) }
    } else {
      hasher.combine(bytes: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: raw)))
    }
    return hasher.finalize()
  }

  private mutating func areEqual(_ a: Node, _ b: Node, _ source: UnsafeBufferPointer<UInt8>) -> Bool {
    let first = source[a.place..<a.place + a.extent]
    let second = source[b.place..<b.place + b.extent]
    if a.kind == .plainString, b.kind == .plainString {
      return first.count == second.count && first.elementsEqual(second)
    }
    scratch.removeAll(keepingCapacity: true)
    other.removeAll(keepingCapacity: true)
    unescape(first, into: &scratch)
    unescape(second, into: &other)
    return scratch == other
  }
}
