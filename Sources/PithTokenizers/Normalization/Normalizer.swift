import Foundation

/// A step that changes a text before it is cut into pieces.
indirect enum Normalizer: Sendable {
  case sequence([Normalizer])
  case unicode(UnicodeForm)
  case lowercase
  case strip(left: Bool, right: Bool)
  case stripAccents
  case replace(Pattern, with: [UInt8])
  case prepend([UInt8])
  case bert(BertNormalizer)
  case precompiled(PrecompiledMap)
  case nmt
  case byteLevel

  /// Unicode's normalization forms.
  enum UnicodeForm: Sendable { case nfc, nfd, nfkc, nfkd }

  /// Changes a text in place.
  func apply(to text: inout [UInt8]) {
    switch self {
    case .sequence(let steps): for step in steps { step.apply(to: &text) }
    case .unicode(let form): form.apply(to: &text)
    case .lowercase: Self.mapScalars(of: &text) { $0.properties.lowercaseMapping.unicodeScalars.forEach($1) }
    case .strip(let left, let right): Self.strip(&text, left: left, right: right)
    case .stripAccents:
      Self.mapScalars(of: &text) { scalar, append in
        if !CategoryCode.of(scalar.value).isMark { append(scalar) }
      }
    case .replace(let pattern, let content): Self.replace(pattern, with: content, in: &text)
    case .prepend(let prefix): if !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
    case .bert(let bert): bert.apply(to: &text)
    case .precompiled(let map): map.apply(to: &text)
    case .nmt: Self.mapScalars(of: &text, Self.nmt)
    case .byteLevel:
      var letters: [UInt8] = []
      ByteAlphabet.append(lettersOf: text, to: &letters)
      text = letters
    }
  }

  /// Replaces each scalar by those that `map` appends.
  static func mapScalars(
    of text: inout [UInt8], _ map: (Unicode.Scalar, (Unicode.Scalar) -> Void) -> Void
  ) {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      map(scalar) { UTF8Text.append($0.value, to: &output) }
    }
    text = output
  }

  static func replace(_ pattern: Pattern, with content: [UInt8], in text: inout [UInt8]) {
    var output: [UInt8] = []
    var copied = 0
    text.withUnsafeBufferPointer { buffer in
      pattern.forEachMatch(in: buffer, 0..<buffer.count) { match in
        output += buffer[copied..<match.lowerBound]
        output += content
        copied = match.upperBound
      }
      if copied > 0 { output += buffer[copied...] }
    }
    if copied > 0 { text = output }
  }

  private static func strip(_ text: inout [UInt8], left: Bool, right: Bool) {
    let scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
    func isSpace(_ scalar: Unicode.Scalar) -> Bool { ScalarProperties.isWhiteSpace(scalar.value) }
    let start = left ? scalars.firstIndex { !isSpace($0) } ?? scalars.count : 0
    let end = right ? scalars.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start : scalars.count
    text = Array(String(String.UnicodeScalarView(scalars[start..<max(start, end)])).utf8)
  }

  /// The cleaning of NMT's training data: some control characters go, others become spaces.
  private static func nmt(_ scalar: Unicode.Scalar, _ append: (Unicode.Scalar) -> Void) {
    switch scalar.value {
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: break
    case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: append(" ")
    default: append(scalar)
    }
  }
}

extension Normalizer.UnicodeForm {
  /// Normalizes in place; text in ASCII is in every form already.
  func apply(to text: inout [UInt8]) {
    guard text.contains(where: { $0 >= 0x80 }) else { return }
    let string = String(decoding: text, as: UTF8.self)
    let normalized =
      switch self {
      case .nfc: string.precomposedStringWithCanonicalMapping
      case .nfd: string.decomposedStringWithCanonicalMapping
      case .nfkc: string.precomposedStringWithCompatibilityMapping
      case .nfkd: string.decomposedStringWithCompatibilityMapping
      }
    text = Array(normalized.utf8)
    if self == .nfc || self == .nfkc { Self.composeHangul(in: &text) }
  }

  /// Joins a Hangul syllable and a final consonant that follows it, which Foundation leaves apart.
  private static func composeHangul(in text: inout [UInt8]) {
    guard text.contains(0xE1) else { return }
    var scalars: [UInt32] = []
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      if let last = scalars.last, (0xAC00...0xD7A3).contains(last), (last - 0xAC00) % 28 == 0,
        (0x11A8...0x11C2).contains(scalar.value)
      {
        scalars[scalars.count - 1] = last + scalar.value - 0x11A7
      } else {
        scalars.append(scalar.value)
      }
    }
    text = []
    for scalar in scalars { UTF8Text.append(scalar, to: &text) }
  }
}
