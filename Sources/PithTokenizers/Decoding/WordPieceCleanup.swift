/// The tidying of English punctuation that WordPiece's decoder applies to each token.
enum WordPieceCleanup {
  private static let rules: [(SplitPattern, [UInt8])] = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (.literal(Array($0.utf8)), Array($1.utf8)) }

  /// The bytes that follow the space in the rules.
  private static let afterSpace = Array(".?!,'nd".utf8)

  static func apply(to text: [UInt8]) -> [UInt8] {
    guard zip(text, text.dropFirst()).contains(where: { $0 == 0x20 && afterSpace.contains($1) }) else {
      return text
    }
    return rules.reduce(text) { Normalizer.replace($1.0, with: $1.1, in: $0) }
  }
}
