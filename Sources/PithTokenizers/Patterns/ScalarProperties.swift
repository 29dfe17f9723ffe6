/// A general category as a small number, with a table for the Basic Multilingual Plane.
struct CategoryCode: Hashable, Sendable {
  let rawValue: UInt8

  private static let order: [Unicode.GeneralCategory] = [
    .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
    .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber, .connectorPunctuation,
    .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
    .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol, .spaceSeparator,
    .lineSeparator, .paragraphSeparator, .control, .format, .surrogate, .privateUse, .unassigned,
  ]
  private static let names = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
    "Po",
    "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
  ]
  private static let codes = Dictionary(
    uniqueKeysWithValues: order.enumerated().map { ($1, UInt8($0)) })

  static let nonspacingMark = CategoryCode(rawValue: 5)
  static let decimalNumber = CategoryCode(rawValue: 8)
  static let connectorPunctuation = CategoryCode(rawValue: 11)

  /// The codes of all scalars below 0x10000.
  static let table: [UInt8] = (0..<UInt32(0x10000)).map(code)

  /// The categories whose two-letter name begins with `name`; nil when there are none.
  static func named(_ name: String) -> Set<CategoryCode>? {
    let matches = names.indices.filter { names[$0].hasPrefix(name) }
    return matches.isEmpty || name.isEmpty ? nil : Set(matches.map { CategoryCode(rawValue: UInt8($0)) })
  }

  @inline(__always)
  static func of(_ scalar: UInt32) -> CategoryCode {
    CategoryCode(rawValue: scalar < 0x10000 ? table[Int(scalar)] : code(scalar))
  }

  /// The category as of Unicode 16, the version of the reference, so that results do not depend on the platform.
  private static func code(_ scalar: UInt32) -> UInt8 {
    guard let scalar = Unicode.Scalar(scalar) else { return 27 }
    // The glottal stop changed from a lowercase to an uncased letter in Unicode 17.
    if scalar == "\u{295}" { return 1 }
    if let age = scalar.properties.age, age.major > 16 { return 29 }
    return codes[scalar.properties.generalCategory] ?? 29
  }

  var isMark: Bool { (5...7).contains(rawValue) }
  var isNumber: Bool { (8...10).contains(rawValue) }
  var isPunctuation: Bool { (11...17).contains(rawValue) }
  var isControlFormatOrPrivate: Bool { rawValue == 25 || rawValue == 26 || rawValue == 28 }
}

/// Properties of scalars that the stages of a tokenizer ask for.
enum ScalarProperties {
  static func isWhiteSpace(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// The word characters of UTS #18: alphabetic, marks, decimal digits, connectors, joiners.
  static func isWord(_ scalar: UInt32) -> Bool {
    guard let value = Unicode.Scalar(scalar) else { return false }
    let category = CategoryCode.of(scalar)
    if category.rawValue == 29 { return false }
    if value.properties.isAlphabetic || scalar == 0x200C || scalar == 0x200D { return true }
    return category.isMark || category == .decimalNumber || category == .connectorPunctuation
  }

  /// ASCII's punctuation and symbols, and all that Unicode 8 calls punctuation.
  static func isPunctuation(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E, 0x166D, 0x111C9: true
    default: scalar >= 0x80 && CategoryCode.of(scalar).isPunctuation && isKnown(scalar, toVersion: 8)
    }
  }

  /// What Unicode 8 calls a nonspacing mark.
  static func isNonspacingMark(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x1734, 0x1171E: true
    case 0...0x2FF, 0x1885, 0x1886, 0xA9BD, 0x111C9: false
    default: CategoryCode.of(scalar) == .nonspacingMark && isKnown(scalar, toVersion: 8)
    }
  }

  /// What Unicode 9 calls a mark of any kind.
  static func isMark(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x1CF2, 0x1CF3: true
    case 0...0x2FF, 0x111C9: false
    default: CategoryCode.of(scalar).isMark && isKnown(scalar, toVersion: 9)
    }
  }

  /// What Unicode 8 calls a control or format character, and private use.
  static func isControl(_ scalar: UInt32) -> Bool {
    CategoryCode.of(scalar).isControlFormatOrPrivate && isKnown(scalar, toVersion: 8)
  }

  /// Some stages of the reference are of an older Unicode than the others; each is followed in its own.
  private static func isKnown(_ scalar: UInt32, toVersion version: Int) -> Bool {
    Unicode.Scalar(scalar)?.properties.age.map { $0.major < version || ($0.major, $0.minor) == (version, 0) }
      ?? false
  }

  /// The blocks of Chinese ideographs that BERT sets apart.
  static func isIdeograph(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
      0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  /// The script Han.
  static let han: [ClosedRange<UInt32>] = [
    0x2E80...0x2E99, 0x2E9B...0x2EF3, 0x2F00...0x2FD5, 0x3005...0x3005, 0x3007...0x3007, 0x3021...0x3029,
    0x3038...0x303B, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFA6D, 0xFA70...0xFAD9, 0x16FE2...0x16FE3,
    0x16FF0...0x16FF1, 0x20000...0x2A6DF, 0x2A700...0x2B739, 0x2B740...0x2B81D, 0x2B820...0x2CEA1,
    0x2CEB0...0x2EBE0, 0x2EBF0...0x2EE5D, 0x2F800...0x2FA1D, 0x30000...0x3134A, 0x31350...0x323AF,
  ]
}
