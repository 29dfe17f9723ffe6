/// Places in a text that no merge can ever cross, found from the vocabulary.
///
/// The union of a merge is a token, so two characters that stand side by side in no token stay apart. Cutting
/// there leaves the result as it is and keeps pieces short: families that hand whole texts to the merges are
/// then as fast as those that cut them into words.
struct Seams: Sendable {
  private static let bits = 21
  private var pairs = [UInt64](repeating: 0, count: 1 << (bits - 6))

  /// Notes which characters stand side by side in the tokens; different pairs may share a bit, which only
  /// hides seams.
  init(_ vocabulary: Vocabulary) {
    for id in 0..<vocabulary.idBound {
      vocabulary.token(id)?.withUnsafeBufferPointer { token in
        guard !token.isEmpty else { return }
        var position = 0
        var previous = UTF8Text.decode(token, &position)
        while position < token.count {
          let scalar = UTF8Text.decode(token, &position)
          let bit = Self.bit(previous, scalar)
          pairs[bit >> 6] |= 1 << UInt64(bit & 63)
          previous = scalar
        }
      }
    }
  }

  @inline(__always)
  private static func bit(_ first: UInt32, _ second: UInt32) -> Int {
    let mixed = (UInt64(first) << 21 ^ UInt64(second)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed &>> UInt64(64 - bits))
  }

  /// Calls `body` with each stretch between seams.
  @inline(__always)
  func forEachStretch(of text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    guard !text.isEmpty else { return }
    pairs.withUnsafeBufferPointer { pairs in
      var start = 0
      var position = 0
      var previous = UTF8Text.decode(text, &position)
      while position < text.count {
        let here = position
        let scalar = UTF8Text.decode(text, &position)
        let bit = Self.bit(previous, scalar)
        if pairs[bit &>> 6] &>> UInt64(bit & 63) & 1 == 0 {
          body(UnsafeBufferPointer(rebasing: text[start..<here]))
          start = here
        }
        previous = scalar
      }
      body(UnsafeBufferPointer(rebasing: text[start...]))
    }
  }
}
