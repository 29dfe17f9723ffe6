/// BERT's cleaning: control characters out, ideographs set apart, accents off, lowercase.
struct BertNormalization: Sendable {
  var cleansText: Bool
  var separatesIdeographs: Bool
  var stripsAccents: Bool
  var lowercases: Bool

  func apply(to text: [UInt8]) -> [UInt8] {
    var text = text
    if cleansText { text = Normalizer.mapScalars(of: text, Self.clean) }
    if separatesIdeographs { text = Self.separateIdeographs(text) }
    if stripsAccents {
      let decomposed = UnicodeForm.nfd.apply(to: text)
      if decomposed.contains(where: { $0 >= 0xCC }) {
        text = Normalizer.mapScalars(of: decomposed) {
          ScalarProperties.isNonspacingMark($0) ? .drop : .keep
        }
      } else {
        text = decomposed
      }
    }
    return lowercases ? Normalizer.lowercase(text) : text
  }

  private static func clean(_ scalar: UInt32) -> Normalizer.Fate {
    if scalar &- 0x20 < 0x5F { return .keep }
    switch scalar {
    case 0x09, 0x0A, 0x0D: return .space
    case 0, 0xFFFD: return .drop
    default:
      if ScalarProperties.isControl(scalar) { return .drop }
      return ScalarProperties.isWhiteSpace(scalar) ? .space : .keep
    }
  }

  private static func separateIdeographs(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(where: { $0 >= 0xE3 }) else { return text }
    var output: [UInt8] = []
    output.reserveCapacity(text.count * 2)
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count {
        let start = position
        let isIdeograph = ScalarProperties.isIdeograph(UTF8Text.decode(text, &position))
        if isIdeograph { output.append(0x20) }
        output.append(start..<position, of: text)
        if isIdeograph { output.append(0x20) }
      }
    }
    return output
  }
}
