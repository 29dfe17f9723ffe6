/// A byte trie in one open-addressing table, for longest-match and all-prefixes searches.
struct Trie: Sendable {
  /// The node above the child for each (node, byte), plus one bit pattern for emptiness.
  private var keys: [UInt64]
  private var children: [UInt32]
  /// The value at each node, or -1.
  private(set) var values: [Int32] = [-1]
  private let seed = ByteHash.processSeed
  /// The bytes with which some key begins.
  private(set) var firstBytes = [Bool](repeating: false, count: 256)

  /// An empty trie.
  init() {
    keys = [UInt64](repeating: .max, count: 64)
    children = [UInt32](repeating: 0, count: 64)
  }

  var isEmpty: Bool { values.count == 1 }

  /// Maps the bytes to a value; the newest value of equal keys stays.
  mutating func insert(_ key: some Sequence<UInt8>, value: Int32) {
    var node = 0
    for byte in key {
      if node == 0 { firstBytes[Int(byte)] = true }
      if let next = child(of: node, byte) {
        node = next
        continue
      }
      if values.count * 2 > keys.count { grow() }
      let (slot, _) = find(UInt64(node) << 8 | UInt64(byte))
      keys[slot] = UInt64(node) << 8 | UInt64(byte)
      children[slot] = UInt32(values.count)
      node = values.count
      values.append(-1)
    }
    values[node] = value
  }

  /// The node below `node` along `byte`; the root is node 0.
  @inline(__always)
  func child(of node: Int, _ byte: UInt8) -> Int? {
    let (slot, isThere) = find(UInt64(truncatingIfNeeded: node) << 8 | UInt64(byte))
    return isThere ? Int(children[slot]) : nil
  }

  /// The longest key that begins at `start`, as its value and end.
  @inline(__always)
  func longestMatch(_ text: UnsafeBufferPointer<UInt8>, at start: Int) -> (value: Int32, end: Int)? {
    guard firstBytes[Int(text[start])] else { return nil }
    var node = 0
    var position = start
    var best: (Int32, Int)?
    while position < text.count, let next = child(of: node, text[position]) {
      node = next
      position += 1
      if values[node] >= 0 { best = (values[node], position) }
    }
    return best
  }

  @inline(__always)
  private func find(_ key: UInt64) -> (slot: Int, isThere: Bool) {
    keys.withUnsafeBufferPointer { keys in
      let mask = keys.count &- 1
      var slot = Int(truncatingIfNeeded: ByteHash.hash(key, seed: seed)) & mask
      while keys[slot] != .max {
        if keys[slot] == key { return (slot, true) }
        slot = (slot &+ 1) & mask
      }
      return (slot, false)
    }
  }

  private mutating func grow() {
    let (oldKeys, oldChildren) = (keys, children)
    keys = [UInt64](repeating: .max, count: oldKeys.count * 2)
    children = [UInt32](repeating: 0, count: oldKeys.count * 2)
    for (key, child) in zip(oldKeys, oldChildren) where key != .max {
      let (slot, _) = find(key)
      keys[slot] = key
      children[slot] = child
    }
  }
}
