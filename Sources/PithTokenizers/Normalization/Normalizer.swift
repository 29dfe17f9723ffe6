/// Rewrites a text before it is cut.
indirect enum Normalizer: Sendable {
  case unicode(UnicodeForm)
  case lowercase
  case strip(left: Bool, right: Bool)
  case stripAccents
  case replace(SplitPattern, with: [UInt8])
  case prepend([UInt8])
  case bert(BertNormalization)
  case precompiled(PrecompiledMap)
  case nmt
  case byteLetters
  case sequence([Normalizer])

  func apply(to text: [UInt8]) -> [UInt8] {
    switch self {
    case .unicode(let form): form.apply(to: text)
    case .lowercase: Self.lowercase(text)
    case .strip(let left, let right): Self.strip(text, left: left, right: right)
    case .stripAccents: Self.mapScalars(of: text) { ScalarProperties.isMark($0) ? .drop : .keep }
    case .replace(let pattern, let content): Self.replace(pattern, with: content, in: text)
    case .prepend(let prefix): text.isEmpty ? text : prefix + text
    case .bert(let bert): bert.apply(to: text)
    case .precompiled(let map): map.apply(to: text)
    case .nmt: Self.mapScalars(of: text, Self.nmt)
    case .byteLetters: Self.letters(of: text)
    case .sequence(let stages): stages.reduce(text) { $1.apply(to: $0) }
    }
  }

  /// How many times longer a text may become by replacements, as far as `TokenizerFile` cares.
  var growth: Int {
    switch self {
    case .replace(_, let content): max(content.count, 1)
    case .sequence(let stages): stages.reduce(1) { min($0 * $1.growth, TokenizerFile.maximumGrowth + 1) }
    case .byteLetters: 2
    default: 1
    }
  }

  /// Whether a stage filters the first scalar out, so that what follows no longer counts as the start.
  func dropsStart(of text: [UInt8]) -> Bool {
    var first = Array(text.prefix(UTF8Text.length(lead: text.first ?? 0)))
    switch self {
    case .strip, .stripAccents, .nmt, .bert: return apply(to: first).isEmpty
    case .unicode, .lowercase, .replace, .prepend, .precompiled, .byteLetters: return false
    case .sequence(let stages):
      for stage in stages {
        if stage.dropsStart(of: first) { return true }
        first = stage.apply(to: first)
      }
      return false
    }
  }

  /// What becomes of a scalar.
  enum Fate {
    case keep, drop, space
  }

  /// Drops scalars or replaces them by a space.
  static func mapScalars(of text: [UInt8], _ fate: (UInt32) -> Fate) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count {
        let start = position
        switch fate(UTF8Text.decode(text, &position)) {
        case .keep: output.append(start..<position, of: text)
        case .drop: break
        case .space: output.append(0x20)
        }
      }
    }
    return output
  }

  /// Each scalar's full lowercase mapping, without regard to context.
  static func lowercase(_ text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    text.withUnsafeBufferPointer { text in
      var position = 0
      while position < text.count {
        let scalar = UTF8Text.decode(text, &position)
        if scalar < 0x80 {
          let isUpper = scalar &- 0x41 < 26
          output.append(UInt8(truncatingIfNeeded: isUpper ? scalar | 0x20 : scalar))
        } else if let scalar = Unicode.Scalar(scalar) {
          output.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
        }
      }
    }
    return output
  }

  static func replace(_ pattern: SplitPattern, with content: [UInt8], in text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 4)
    text.withUnsafeBufferPointer { text in
      var done = 0
      pattern.forEachMatch(in: text) { match in
        output.append(done..<match.lowerBound, of: text)
        output.append(contentsOf: content)
        done = match.upperBound
      }
      output.append(done..<text.count, of: text)
    }
    return output
  }

  private static func strip(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
    text.withUnsafeBufferPointer { text in
      var (start, end) = (0, text.count)
      while left, start < end {
        var next = start
        guard ScalarProperties.isWhiteSpace(UTF8Text.decode(text, &next)) else { break }
        start = next
      }
      while right, start < end {
        let last = UTF8Text.start(before: end, in: text)
        var next = last
        guard ScalarProperties.isWhiteSpace(UTF8Text.decode(text, &next)) else { break }
        end = last
      }
      return Array(text[start..<end])
    }
  }

  private static func nmt(_ scalar: UInt32) -> Fate {
    switch scalar {
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: .drop
    case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: .space
    default: .keep
    }
  }

  private static func letters(of text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count * 2)
    ByteAlphabet.append(lettersOf: text, to: &output)
    return output
  }
}
