/// A set of Unicode scalars as a pattern describes it.
indirect enum ScalarSet: Sendable {
  case ranges([ClosedRange<UInt32>])
  case categories(Set<CategoryCode>)
  case whiteSpace
  case word
  case union([ScalarSet])
  case intersection(ScalarSet, ScalarSet)
  case complement(ScalarSet)

  static let empty = ScalarSet.ranges([])
  static let all = ScalarSet.ranges([0...0x10FFFF])
  static let digit = ScalarSet.categories([.decimalNumber])

  static func scalar(_ scalar: UInt32) -> ScalarSet { .ranges([scalar...scalar]) }

  func contains(_ scalar: UInt32) -> Bool {
    switch self {
    case .ranges(let ranges): ranges.contains { $0.contains(scalar) }
    case .categories(let categories): categories.contains(CategoryCode.of(scalar))
    case .whiteSpace: ScalarProperties.isWhiteSpace(scalar)
    case .word: ScalarProperties.isWord(scalar)
    case .union(let sets): sets.contains { $0.contains(scalar) }
    case .intersection(let a, let b): a.contains(scalar) && b.contains(scalar)
    case .complement(let set): !set.contains(scalar)
    }
  }

  /// The set's members below 0x10000, one bit each, in 1024 words.
  func bitmap() -> [UInt64] {
    var words = [UInt64](repeating: 0, count: ScalarBitmaps.words)
    switch self {
    case .ranges(let ranges):
      for range in ranges where range.lowerBound < 0x10000 {
        for scalar in range.lowerBound...min(range.upperBound, 0xFFFF) {
          words[Int(scalar >> 6)] |= 1 << UInt64(scalar & 63)
        }
      }
    case .categories(let categories):
      var isMember = [Bool](repeating: false, count: 256)
      for category in categories { isMember[Int(category.rawValue)] = true }
      let table = CategoryCode.table
      for scalar in 0..<0x10000 where isMember[Int(table[scalar])] {
        words[scalar >> 6] |= 1 << UInt64(scalar & 63)
      }
    case .whiteSpace: Self.fill(&words, ScalarProperties.isWhiteSpace)
    case .word: Self.fill(&words, ScalarProperties.isWord)
    case .union(let sets):
      for set in sets {
        let other = set.bitmap()
        for index in words.indices { words[index] |= other[index] }
      }
    case .intersection(let a, let b):
      words = a.bitmap()
      let other = b.bitmap()
      for index in words.indices { words[index] &= other[index] }
    case .complement(let set):
      words = set.bitmap().map { ~$0 }
    }
    return words
  }

  private static func fill(_ words: inout [UInt64], _ isMember: (UInt32) -> Bool) {
    for scalar in 0..<UInt32(0x10000) where isMember(scalar) {
      words[Int(scalar >> 6)] |= 1 << UInt64(scalar & 63)
    }
  }
}

/// Several sets for fast membership tests: bitmaps for the Basic Multilingual Plane, the description beyond.
struct ScalarBitmaps: Sendable {
  static let words = 1024

  private(set) var bits: [UInt64] = []
  private(set) var sets: [ScalarSet] = []

  /// Adds a set and returns its index.
  mutating func append(_ set: ScalarSet) -> Int {
    bits += set.bitmap()
    sets.append(set)
    return sets.count - 1
  }
}
