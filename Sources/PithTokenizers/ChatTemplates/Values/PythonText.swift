/// What Python knows of characters and texts: texts count code points, and are equal only code point by code point.
extension Unicode.Scalar {
  /// Whether Python's `str.isspace` and the `\s` of its regular expressions take the character.
  var isPythonSpace: Bool {
    switch value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
      0x3000:
      true
    default: false
    }
  }

  var isDigit: Bool { ("0"..."9").contains(self) }

  /// The character as a text.
  var text: String { String(Character(self)) }

  /// Whether Python ends a line at the character.
  var endsPythonLine: Bool {
    switch value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }
}

extension String {
  init(_ scalars: some Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }

  /// Whether both texts have the same code points; `==` would also take canonically equivalent ones.
  func isSame(as other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }

  /// Whether the text comes before `other` by code points.
  func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

  var pythonUpper: String { String(unicodeScalars.flatMap { $0.properties.uppercaseMapping.unicodeScalars }) }

  /// The text in lower case; a capital sigma at the end of a word becomes a final sigma.
  var pythonLower: String {
    guard unicodeScalars.contains("Σ") else {
      return String(unicodeScalars.flatMap { $0.properties.lowercaseMapping.unicodeScalars })
    }
    let scalars = Array(unicodeScalars)
    var lower = String.UnicodeScalarView()
    for (index, scalar) in scalars.enumerated() {
      if scalar == "Σ" {
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
        lower.append(isFinal ? "ς" : "σ")
      } else {
        lower.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
      }
    }
    return String(lower)
  }

  /// The first character in title case and the others in lower case.
  var pythonCapitalized: String {
    guard let first = unicodeScalars.first else { return self }
    let rest = String(unicodeScalars.dropFirst()).pythonLower
    return first.properties.titlecaseMapping + rest
  }

  /// Every letter after a non-letter in title case and the others in lower case, as `str.title` does.
  var pythonTitled: String {
    var result = ""
    var isInWord = false
    for scalar in unicodeScalars {
      result += isInWord ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
      isInWord = scalar.properties.isCased
    }
    return result
  }

  /// Without the characters of `characters`, or white space, at the chosen ends.
  func pythonStripped(_ characters: String?, left: Bool = true, right: Bool = true) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    let drops = { (scalar: Unicode.Scalar) in set?.contains(scalar) ?? scalar.isPythonSpace }
    var rest = unicodeScalars[...]
    if left { rest = rest.drop(while: drops) }
    while right, let last = rest.last, drops(last) { rest.removeLast() }
    return String(rest)
  }

  /// The lines of the text, without what ends them.
  var pythonLines: [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var previous: Unicode.Scalar?
    var isOpen = false
    for scalar in unicodeScalars {
      if scalar.endsPythonLine {
        if !(scalar == "\n" && previous == "\r") {
          lines.append(String(line))
          line = String.UnicodeScalarView()
        }
        isOpen = false
      } else {
        line.append(scalar)
        isOpen = true
      }
      previous = scalar
    }
    if isOpen { lines.append(String(line)) }
    return lines
  }

  /// Where `needle` starts, by UTF-8 offset, from `start` on.
  func utf8Offset(of needle: String, from start: Int = 0) -> Int? {
    var haystack = self
    var wanted = needle
    return haystack.withUTF8 { bytes in
      wanted.withUTF8 { UTF8Search(for: $0).firstOffset(in: bytes, from: start) }
    }
  }

  /// Where `needle` starts for the last time, by UTF-8 offset.
  func lastUTF8Offset(of needle: String) -> Int? {
    UTF8Search(for: Array(needle.utf8.reversed())).firstOffset(in: Array(utf8.reversed()), from: 0)
      .map { utf8.count - needle.utf8.count - $0 }
  }

  /// The UTF-8 offsets at which `needle` starts, without overlaps.
  func utf8Offsets(of needle: String, limit: Int = .max) -> [Int] {
    var offsets: [Int] = []
    var start = 0
    while offsets.count < limit, let offset = utf8Offset(of: needle, from: start) {
      offsets.append(offset)
      start = offset + needle.utf8.count
    }
    return offsets
  }

  func utf8Slice(_ range: Range<Int>) -> String {
    let start = utf8.index(utf8.startIndex, offsetBy: range.lowerBound)
    return String(self[start..<utf8.index(start, offsetBy: range.count)])
  }
}

/// A search for a run of bytes that takes time in proportion to both lengths, whatever the bytes (Knuth, Morris and
/// Pratt 1977).
private struct UTF8Search<Needle: RandomAccessCollection> where Needle.Element == UInt8, Needle.Index == Int {
  private let needle: Needle
  /// For each length matched so far, the length that still matches after a mismatch.
  private let fallback: [Int]

  init(for needle: Needle) {
    self.needle = needle
    var fallback = [0]
    fallback.reserveCapacity(needle.count)
    var matched = 0
    for index in needle.indices.dropFirst() {
      while matched > 0, needle[index] != needle[matched] { matched = fallback[matched - 1] }
      if needle[index] == needle[matched] { matched += 1 }
      fallback.append(matched)
    }
    self.fallback = fallback
  }

  func firstOffset(in bytes: some RandomAccessCollection<UInt8>, from start: Int) -> Int? {
    guard !needle.isEmpty else { return start <= bytes.count ? start : nil }
    var matched = 0
    for (offset, byte) in bytes.dropFirst(start).enumerated() {
      while matched > 0, byte != needle[matched] { matched = fallback[matched - 1] }
      if byte == needle[matched] { matched += 1 }
      if matched == needle.count { return start + offset + 1 - matched }
    }
    return nil
  }
}
