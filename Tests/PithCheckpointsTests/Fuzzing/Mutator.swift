import PithTensors

/// Damages bytes as hostile or broken files are damaged: cut short, bits turned, numbers replaced by ones that lie,
/// parts repeated, moved or left out.
struct Mutator {
  private var random: SeededGenerator
  /// Numbers that upset those who trust them.
  private static let lies: [UInt64] = [
    0, 1, 2, 3, 7, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000,
    0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFF8,
    0x4000_0000_0000_0000,
  ]
  private static let words = [
    "-1", "0", "1e999", "18446744073709551615", "9223372036854775807", "null", "true", "[]", "{}", "\"\"",
    "\"F16\"",
    "[[[[[[[[", "{\"a\":", "\\ud800", "NaN", "4294967296", "16777217", "\"../../etc/passwd\"",
  ].map { Array($0.utf8) }

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  /// One to three damages of a file.
  mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...3, using: &random) { damage(&result) }
    return result
  }

  private mutating func damage(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    // Most structure lies at the front.
    let reach = Bool.random(using: &random) ? bytes.count : min(bytes.count, 256)
    let at = Int.random(in: 0..<reach, using: &random)
    switch Int.random(in: 0..<9, using: &random) {
    case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[at] = UInt8.random(in: 0...255, using: &random)
    case 2: bytes.removeSubrange(at...)
    case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...16, using: &random)))
    case 4:
      let part = Array(bytes[at..<min(bytes.count, at + Int.random(in: 1...64, using: &random))])
      bytes.insert(contentsOf: part, at: Int.random(in: 0...bytes.count, using: &random))
    case 5, 6:
      let lie = Self.lies.randomElement(using: &random)!
      let size = [1, 2, 4, 8].randomElement(using: &random)!
      for index in 0..<size where at + index < bytes.count {
        bytes[at + index] = UInt8(truncatingIfNeeded: lie >> UInt64(8 * index))
      }
    case 7: replaceNumber(near: at, in: &bytes)
    default: bytes.insert(contentsOf: Self.words.randomElement(using: &random)!, at: at)
    }
  }

  /// Replaces a number written in digits, as JSON has them.
  private mutating func replaceNumber(near at: Int, in bytes: inout [UInt8]) {
    let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
    guard let start = bytes[at...].firstIndex(where: isDigit) else { return }
    let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
    bytes.replaceSubrange(start..<end, with: Self.words.randomElement(using: &random)!)
  }
}
