/// BERT's cleaning: control characters go, white space becomes spaces, ideographs stand alone, accents and case go.
struct BertNormalizer: Sendable {
  var cleansText = true
  var setsIdeographsApart = true
  var stripsAccents = true
  var lowercases = true

  func apply(to text: inout [UInt8]) {
    if cleansText { Normalizer.mapScalars(of: &text, clean) }
    if setsIdeographsApart {
      Normalizer.mapScalars(of: &text) { scalar, append in
        guard ScalarProperties.isIdeograph(scalar.value) else { return append(scalar) }
        append(" ")
        append(scalar)
        append(" ")
      }
    }
    if stripsAccents {
      Normalizer.UnicodeForm.nfd.apply(to: &text)
      if text.contains(where: { $0 >= 0x80 }) {
        Normalizer.mapScalars(of: &text) { scalar, append in
          if CategoryCode.of(scalar.value) != .nonspacingMark { append(scalar) }
        }
      }
    }
    if lowercases { Normalizer.lowercase.apply(to: &text) }
  }

  private func clean(_ scalar: Unicode.Scalar, _ append: (Unicode.Scalar) -> Void) {
    switch scalar {
    case "\t", "\n", "\r": append(" ")
    case "\0", "\u{FFFD}": break
    default:
      if CategoryCode.of(scalar.value).isOther { return }
      append(ScalarProperties.isWhiteSpace(scalar.value) ? " " : scalar)
    }
  }
}
