/// Tokens and their ids: one arena of bytes, an index by id, and an open-addressing table by content.
///
/// `Dictionary<String, Int>` is no choice here: `String` equality is canonical equivalence, which would merge
/// tokens that differ in bytes.
struct Vocabulary: Sendable {
  static let absent: Int32 = -1

  private var arena: [UInt8] = []
  private var spans: [Span] = []
  /// 32 bits of hash above the id plus one; 0 marks an empty slot.
  private var table: [UInt64]
  private let seed = ByteHash.processSeed
  /// How many ids carry a token.
  private(set) var count = 0
  /// The length in bytes of the longest token.
  private(set) var longestToken = 0

  /// An empty vocabulary with room for `capacity` tokens.
  init(capacity: Int) {
    let bits = Int.bitWidth - max(2 * capacity, 16).leadingZeroBitCount
    table = [UInt64](repeating: 0, count: 1 << bits)
    spans.reserveCapacity(capacity)
    arena.reserveCapacity(capacity * 8)
    idLimit = 2 * capacity + 65_536
    self.capacity = capacity
  }

  /// Where a token lies in the arena; of negative length for an id that carries none.
  private struct Span {
    var start: UInt32
    var length: Int32
  }

  private let idLimit: Int
  private let capacity: Int

  /// One more than the largest id.
  var idBound: Int { spans.count }

  /// Adds a token; when its bytes are there already, the newer id answers for them.
  mutating func insert(_ token: UnsafeBufferPointer<UInt8>, id: Int) throws(TokenizerError) {
    guard id >= 0, id < idLimit else {
      throw TokenizerError("A token has the id \(id), far outside of the vocabulary; correct or remove it.")
    }
    guard arena.count + token.count < Int(UInt32.max), count < capacity else {
      throw TokenizerError("The vocabulary is too large to load; reduce it.")
    }
    while spans.count <= id { spans.append(Span(start: 0, length: -1)) }
    guard spans[id].length < 0 else {
      throw TokenizerError("Two tokens share the id \(id); give each token an id of its own.")
    }
    spans[id] = Span(start: UInt32(arena.count), length: Int32(token.count))
    arena.append(contentsOf: token)
    count += 1
    longestToken = max(longestToken, token.count)
    let hash = ByteHash.hash(token, seed: seed)
    let slot = slot(of: token, hash: hash)
    table[slot] = hash & ~0xFFFF_FFFF | UInt64(id + 1)
  }

  mutating func insert(_ token: [UInt8], id: Int) throws(TokenizerError) {
    try token.withUnsafeBufferPointer { (bytes) throws(TokenizerError) in try insert(bytes, id: id) }
  }

  /// The id of a token given by its bytes, or `absent`.
  @inline(__always)
  func id(of token: UnsafeBufferPointer<UInt8>) -> Int32 {
    if token.count > longestToken { return Self.absent }
    let entry = table[slot(of: token, hash: ByteHash.hash(token, seed: seed))]
    return Int32(truncatingIfNeeded: entry & 0xFFFF_FFFF) &- 1
  }

  func id(of token: [UInt8]) -> Int32 { token.withUnsafeBufferPointer { id(of: $0) } }

  func id(of token: String) -> Int32 { id(of: [UInt8](token.utf8)) }

  func contains(id: Int) -> Bool { spans.indices.contains(id) && spans[id].length >= 0 }

  /// The bytes of a token, or nil when the id carries none.
  func token(_ id: Int) -> ArraySlice<UInt8>? {
    guard contains(id: id) else { return nil }
    let span = spans[id]
    return arena[Int(span.start)..<Int(span.start) + Int(span.length)]
  }

  /// The slot that holds the token, or the empty slot where it would go.
  @inline(__always)
  private func slot(of token: UnsafeBufferPointer<UInt8>, hash: UInt64) -> Int {
    table.withUnsafeBufferPointer { table in
      let mask = table.count &- 1
      var slot = Int(truncatingIfNeeded: hash) & mask
      while true {
        let entry = table[slot]
        if entry == 0 { return slot }
        if (entry ^ hash) &>> 32 == 0, holds(Int(entry & 0xFFFF_FFFF) &- 1, token) { return slot }
        slot = (slot &+ 1) & mask
      }
    }
  }

  @inline(__always)
  private func holds(_ id: Int, _ token: UnsafeBufferPointer<UInt8>) -> Bool {
    let span = spans[id]
    guard Int(span.length) == token.count else { return false }
    let start = Int(span.start)
    return arena.withUnsafeBufferPointer { arena in
      for offset in 0..<token.count where arena[start &+ offset] != token[offset] { return false }
      return true
    }
  }
}
