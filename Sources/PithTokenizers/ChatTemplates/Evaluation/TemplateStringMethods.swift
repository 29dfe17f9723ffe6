/// Python's methods of texts.
struct TemplateStringMethods {
  static let names: Set<String> = [
    "upper", "lower", "casefold", "title", "capitalize", "swapcase", "strip", "lstrip", "rstrip",
    "startswith",
    "endswith", "split", "rsplit", "splitlines", "partition", "rpartition", "replace", "find", "rfind",
    "index",
    "rindex", "count", "join", "format", "removeprefix", "removesuffix", "zfill", "center", "ljust", "rjust",
    "isdigit", "isdecimal", "isnumeric", "isalpha", "isalnum", "isspace", "isupper", "islower",
  ]

  /// Whether the text is of the kind that a method such as `isdigit` asks for; nil if there is no such method.
  static func answer(_ method: String, _ text: String) -> Bool? {
    let scalars = text.unicodeScalars
    func all(_ condition: (Unicode.Scalar.Properties) -> Bool) -> Bool {
      !scalars.isEmpty && scalars.allSatisfy { condition($0.properties) }
    }
    switch method {
    case "isdecimal": return all { $0.generalCategory == .decimalNumber }
    case "isdigit": return all { $0.numericType == .decimal || $0.numericType == .digit }
    case "isnumeric": return all { $0.numericType != nil }
    case "isalpha": return all(\.isPythonLetter)
    case "isalnum": return all { $0.isPythonLetter || $0.numericType != nil }
    case "isspace": return !scalars.isEmpty && scalars.allSatisfy(\.isPythonSpace)
    case "isupper":
      return scalars.contains { $0.properties.isUppercase }
        && !scalars.contains {
          $0.properties.isLowercase || $0.properties.generalCategory == .titlecaseLetter
        }
    case "islower":
      return scalars.contains { $0.properties.isLowercase }
        && !scalars.contains {
          $0.properties.isUppercase || $0.properties.generalCategory == .titlecaseLetter
        }
    default: return nil
    }
  }

  /// The text after a method that only changes its case; nil if there is no such method.
  static func recased(_ method: String, _ text: String) -> String? {
    switch method {
    case "upper": return text.pythonUpper
    case "lower", "casefold": return text.pythonLower
    case "title": return text.pythonTitled
    case "capitalize": return text.pythonCapitalized
    case "swapcase":
      return text.unicodeScalars.map {
        $0.properties.isUppercase ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping
      }.joined()
    default: return nil
    }
  }
}

extension Unicode.Scalar.Properties {
  fileprivate var isPythonLetter: Bool {
    switch generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }
}

extension TemplateInterpreter {
  mutating func callStringMethod(
    _ text: String, _ name: String, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    try budget.spend(bytes: text.utf8.count)
    if let result = TemplateStringMethods.recased(name, text) { return .string(result) }
    if let result = TemplateStringMethods.answer(name, text) { return .bool(result) }
    switch name {
    case "strip", "lstrip", "rstrip":
      let characters = try arguments.bound("chars", to: name)[0].unlessNull
      return .string(
        text.pythonStripped(
          try characters.map { (value) throws(TemplateFault) in try Optional(value).string(name) },
          left: name != "rstrip", right: name != "lstrip"))
    case "startswith", "endswith": return .bool(try hasAffix(text, name, arguments))
    case "split", "rsplit": return try split(text, name, arguments)
    case "splitlines": return try list(text.pythonLines)
    case "partition", "rpartition": return try partition(text, name, arguments)
    case "replace":
      let values = try arguments.bound("old", "new", "count", to: name)
      return .string(
        try replaced(
          text, try values[0].string(name), try values[1].string(name), try values[2].int(name, or: -1)))
    case "find", "rfind", "index", "rindex", "count": return .int(try search(text, name, arguments))
    case "join": return .string(try joined(try arguments.bound("iterable", to: name)[0].required(name), text))
    case "format": return try formatted(text, arguments)
    case "removeprefix", "removesuffix": return .string(try removed(text, name, arguments))
    default: return .string(try padded(text, name, arguments))
    }
  }

  private mutating func list(_ texts: [String]) throws(TemplateFault) -> Value {
    try budget.spend(elements: texts.count)
    return .list(try Items(texts.map(Value.string)))
  }

  private func hasAffix(
    _ text: String, _ name: String, _ arguments: CallArguments
  ) throws(TemplateFault) -> Bool {
    let wanted = try arguments.bound("prefix", to: name)[0]
    var affixes: [String] = []
    if case .tuple(let items)? = wanted {
      for item in items.elements { affixes.append(try Optional(item).string(name)) }
    } else {
      affixes = [try wanted.string(name)]
    }
    return affixes.contains { affix in
      let count = affix.utf8.count
      guard count <= text.utf8.count else { return false }
      return (name == "startswith" ? text.utf8.prefix(count) : text.utf8.suffix(count)).elementsEqual(
        affix.utf8)
    }
  }

  private func removed(_ text: String, _ name: String, _ arguments: CallArguments) throws(TemplateFault)
    -> String
  {
    let affix = try arguments.bound("affix", to: name)[0].string(name)
    let isPrefix = name == "removeprefix"
    guard try hasAffix(text, isPrefix ? "startswith" : "endswith", arguments) else { return text }
    let (start, end) =
      isPrefix ? (affix.utf8.count, text.utf8.count) : (0, text.utf8.count - affix.utf8.count)
    return text.utf8Slice(start..<end)
  }

  private mutating func split(
    _ text: String, _ name: String, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    let values = try arguments.bound("sep", "maxsplit", to: name)
    let limit = try values[1].int(name, or: -1)
    let most = limit < 0 ? Int.max : limit
    guard let separator = values[0].unlessNull else {
      return try list(splitAtSpace(text, most, fromEnd: name == "rsplit"))
    }
    let mark = try Optional(separator).string(name)
    guard !mark.isEmpty else { throw TemplateFault("'\(name)' needs a separator that is not empty.") }
    var offsets = text.utf8Offsets(of: mark, limit: name == "split" ? most : .max)
    if name == "rsplit" { offsets = Array(offsets.suffix(most)) }
    try budget.spend(elements: offsets.count)
    var pieces: [String] = []
    var start = 0
    for offset in offsets {
      pieces.append(text.utf8Slice(start..<offset))
      start = offset + mark.utf8.count
    }
    return try list(pieces + [text.utf8Slice(start..<text.utf8.count)])
  }

  private func splitAtSpace(_ text: String, _ most: Int, fromEnd: Bool) -> [String] {
    var rest = Array(text.unicodeScalars)
    if fromEnd { rest.reverse() }
    var pieces: [String] = []
    var index = 0
    while true {
      while index < rest.count, rest[index].isPythonSpace { index += 1 }
      guard index < rest.count else { break }
      var end = index
      if pieces.count == most { end = rest.count }
      while end < rest.count, !rest[end].isPythonSpace { end += 1 }
      pieces.append(fromEnd ? String(rest[index..<end].reversed()) : String(rest[index..<end]))
      index = end
    }
    return fromEnd ? pieces.reversed() : pieces
  }

  private func partition(
    _ text: String, _ name: String, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    let mark = try arguments.bound("sep", to: name)[0].string(name)
    guard !mark.isEmpty else { throw TemplateFault("'\(name)' needs a separator that is not empty.") }
    let offsets = text.utf8Offsets(of: mark, limit: name == "partition" ? 1 : .max)
    guard let offset = offsets.last else {
      let parts = name == "partition" ? [text, "", ""] : ["", "", text]
      return .tuple(try Items(parts.map(Value.string)))
    }
    let rest = text.utf8Slice((offset + mark.utf8.count)..<text.utf8.count)
    return .tuple(try Items([.string(text.utf8Slice(0..<offset)), .string(mark), .string(rest)]))
  }

  private func search(_ text: String, _ name: String, _ arguments: CallArguments) throws(TemplateFault) -> Int
  {
    let values = try arguments.bound("sub", "start", "end", to: name)
    let scalars = Array(text.unicodeScalars)
    func bound(_ value: Value?, _ standard: Int) throws(TemplateFault) -> Int {
      let index = try value.unlessNull.int(name, or: standard)
      return min(max(index < 0 ? index + scalars.count : index, 0), scalars.count)
    }
    let start = try bound(values[1], 0)
    let end = max(start, try bound(values[2], scalars.count))
    let part = String(scalars[start..<end])
    let wanted = try values[0].string(name)
    if name == "count" {
      return wanted.isEmpty ? end - start + 1 : part.utf8Offsets(of: wanted).count
    }
    let isLast = name.hasPrefix("r")
    let offset =
      wanted.isEmpty
      ? (isLast ? part.utf8.count : 0)
      : isLast ? part.lastUTF8Offset(of: wanted) : part.utf8Offset(of: wanted)
    guard let offset else {
      guard name.hasSuffix("find") else { throw TemplateFault("'\(name)' did not find the text.") }
      return -1
    }
    return start + part.utf8Slice(0..<offset).unicodeScalars.count
  }

  private func padded(_ text: String, _ name: String, _ arguments: CallArguments) throws(TemplateFault)
    -> String
  {
    let values = try arguments.bound("width", "fillchar", to: name)
    let width = try values[0].int(name)
    guard width <= TemplateLimits.textBytes / 4 else {
      throw TemplateFault("'\(name)' makes a text too wide.")
    }
    let missing = max(0, width - text.unicodeScalars.count)
    let filler = name == "zfill" ? "0" : values[1] == nil ? " " : try values[1].string(name)
    guard filler.unicodeScalars.count == 1 else {
      throw TemplateFault("'\(name)' needs one character to fill with.")
    }
    let fill = { (count: Int) in String(repeating: filler, count: count) }
    switch name {
    case "ljust": return text + fill(missing)
    case "center":
      let left = missing / 2 + (missing & width & 1)
      return fill(left) + text + fill(missing - left)
    case "zfill" where text.hasPrefix("-") || text.hasPrefix("+"):
      return text.prefix(1) + fill(missing) + text.dropFirst()
    default: return fill(missing) + text
    }
  }

  /// `text` with `old` replaced, at most `count` times unless that is negative.
  mutating func replaced(
    _ text: String, _ old: String, _ new: String, _ count: Int
  ) throws(TemplateFault) -> String {
    try budget.spend(bytes: text.utf8.count)
    let most = count < 0 ? Int.max : count
    var offsets: [Int]
    if old.isEmpty {
      var offset = 0
      offsets = [0]
      for scalar in text.unicodeScalars {
        offset += scalar.utf8.count
        offsets.append(offset)
      }
      offsets = Array(offsets.prefix(most))
    } else {
      offsets = text.utf8Offsets(of: old, limit: most)
    }
    let (added, overflows) = offsets.count.multipliedReportingOverflow(by: new.utf8.count)
    try budget.spend(bytes: overflows ? .max : text.utf8.count + added)
    var result = ""
    var start = 0
    for offset in offsets {
      result += text.utf8Slice(start..<offset)
      result += new
      start = offset + old.utf8.count
    }
    return result + text.utf8Slice(start..<text.utf8.count)
  }

  /// The texts in `values`, parted by `separator`.
  mutating func joined(_ values: Value, _ separator: String) throws(TemplateFault) -> String {
    var result = ""
    for (index, value) in try elements(of: values).enumerated() {
      guard case .string(let text) = value else {
        throw TemplateFault("'join' joins texts, but found '\(value.typeName)'.")
      }
      if index > 0 { result += separator }
      result += text
      try budget.spend(bytes: index % 64 == 0 ? result.utf8.count : text.utf8.count)
    }
    try budget.spend(bytes: result.utf8.count)
    return result
  }
}
