/// Full decompositions and primary composites, unpacked once from `unicodeDecompositions`.
final class DecompositionTable: Sendable {
  static let shared = DecompositionTable()

  private struct Entry {
    var canonical: Range<Int>
    var compatible: Range<Int>
  }

  /// For each block of 256 scalars, where its slots begin; 0 for blocks without decompositions.
  private let blocks: [UInt16]
  /// For each scalar of such a block, the number of its entry; 0 for none.
  private let slots: [UInt16]
  private let entries: [Entry]
  private let pool: [UInt32]
  private let composites: [UInt64: UInt32]

  private init() {
    var steps: [UInt32: (scalars: [UInt32], isCanonical: Bool)] = [:]
    var composites: [UInt64: UInt32] = [:]
    Self.forEachStep { scalar, kind, scalars in
      steps[scalar] = (scalars, kind != UInt8(ascii: "~"))
      if kind == UInt8(ascii: "=") { composites[UInt64(scalars[0]) << 32 | UInt64(scalars[1])] = scalar }
    }
    func expand(_ scalar: UInt32, isCompatibility: Bool) -> [UInt32] {
      guard let step = steps[scalar], step.isCanonical || isCompatibility else { return [scalar] }
      return step.scalars.flatMap { expand($0, isCompatibility: isCompatibility) }
    }
    var blocks = [UInt16](repeating: 0, count: 0x1100)
    var slots = [UInt16](repeating: 0, count: 1)
    var entries: [Entry] = []
    var pool: [UInt32] = []
    func store(_ scalars: [UInt32]) -> Range<Int> {
      pool += scalars
      return pool.count - scalars.count..<pool.count
    }
    for scalar in steps.keys.sorted() {
      let block = Int(scalar >> 8)
      if blocks[block] == 0 {
        blocks[block] = UInt16(slots.count / 256 + 1)
        slots += [UInt16](repeating: 0, count: 256)
      }
      let canonical = store(expand(scalar, isCompatibility: false))
      let compatible = store(expand(scalar, isCompatibility: true))
      entries.append(Entry(canonical: canonical, compatible: compatible))
      slots[(Int(blocks[block]) - 1) * 256 + 1 + Int(scalar & 0xFF)] = UInt16(entries.count)
    }
    (self.blocks, self.slots, self.entries, self.pool) = (blocks, slots, entries, pool)
    self.composites = composites
  }

  /// Reads the packed text: `SCALAR KIND SCALAR…;`, numbers in hexadecimal.
  private static func forEachStep(_ body: (UInt32, UInt8, [UInt32]) -> Void) {
    unicodeDecompositions.withUTF8Buffer { text in
      var (scalar, kind): (UInt32, UInt8) = (0, 0)
      var (scalars, number): ([UInt32], UInt32) = ([], 0)
      for byte in text {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "A")...UInt8(ascii: "F"):
          number = number << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
        case UInt8(ascii: " "):
          scalars.append(number)
          number = 0
        case UInt8(ascii: ";"):
          body(scalar, kind, scalars + [number])
          (scalars, number) = ([], 0)
        default:
          (scalar, kind) = (number, byte)
          number = 0
        }
      }
    }
  }

  private static let hangul: UInt32 = 0xAC00
  private static let (leading, vowel, trailing): (UInt32, UInt32, UInt32) = (0x1100, 0x1161, 0x11A7)

  /// Appends the full decomposition of a scalar.
  func append(_ scalar: UInt32, isCompatibility: Bool, to scalars: inout [UInt32]) {
    let syllable = scalar &- Self.hangul
    if syllable < 11_172 {
      scalars.append(Self.leading + syllable / 588)
      scalars.append(Self.vowel + syllable % 588 / 28)
      if syllable % 28 != 0 { scalars.append(Self.trailing + syllable % 28) }
      return
    }
    let block = Int(blocks[Int(scalar >> 8)])
    let entry = block == 0 ? 0 : Int(slots[(block - 1) * 256 + 1 + Int(scalar & 0xFF)])
    if entry == 0 {
      scalars.append(scalar)
    } else {
      scalars += pool[isCompatibility ? entries[entry - 1].compatible : entries[entry - 1].canonical]
    }
  }

  /// The primary composite of two scalars.
  func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if first &- Self.leading < 19, second &- Self.vowel < 21 {
      return Self.hangul + ((first - Self.leading) * 21 + second - Self.vowel) * 28
    }
    if first &- Self.hangul < 11_172, (first - Self.hangul) % 28 == 0, second &- Self.trailing &- 1 < 27 {
      return first + second - Self.trailing
    }
    return composites[UInt64(first) << 32 | UInt64(second)]
  }
}
