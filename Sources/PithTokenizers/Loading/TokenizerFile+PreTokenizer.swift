import PithJSON

extension TokenizerFile {
  /// The stages of a pre-tokenizer, sequences flattened.
  func preTokenizers(_ part: JSON) throws(TokenizerError) -> [PreTokenizer] {
    let type = try Self.type(part)
    switch type {
    case "ByteLevel":
      var stages: [PreTokenizer] = part["add_prefix_space"]?.bool ?? true ? [.prefixSpace] : []
      if part["use_regex"]?.bool ?? true {
        stages.append(.split(.expression(try Pattern(KnownPatterns.gpt2)), .isolated, inverts: false))
      }
      return stages + [.byteLetters]
    case "Split":
      return [
        .split(try Self.pattern(part), try behavior(part), inverts: part["invert"]?.bool ?? false)
      ]
    case "Digits":
      let isIndividual = part["individual_digits"]?.bool ?? false
      return [.split(isIndividual ? .scalars(.number) : .runs(.number), .isolated, inverts: false)]
    case "Punctuation":
      let behavior = try part["behavior"] == nil ? .isolated : behavior(part)
      return [.split(.scalars(.punctuation), behavior, inverts: false)]
    case "Whitespace":
      return [.split(.expression(try Pattern(#"\w+|[^\w\s]+"#)), .removed, inverts: true)]
    case "WhitespaceSplit": return [.split(.scalars(.whiteSpace), .removed, inverts: false)]
    case "CharDelimiterSplit":
      guard let delimiter = UTF8Text.scalars(of: try Self.bytes(part, "delimiter")).first else {
        throw TokenizerError("A delimiter in tokenizer.json is empty; give it one character.")
      }
      return [.split(.scalars(.scalar(delimiter)), .removed, inverts: false)]
    case "BertPreTokenizer":
      return [
        .split(.scalars(.whiteSpace), .removed, inverts: false),
        .split(.scalars(.punctuation), .isolated, inverts: false),
      ]
    case "Metaspace":
      let replacement = part["replacement"]?.utf8 ?? Array("▁".utf8)
      guard UTF8Text.scalars(of: replacement).count == 1 else {
        throw TokenizerError("The replacement of a Metaspace must be one character; correct it.")
      }
      return [
        .metaspace(
          PreTokenizer.Metaspace(
            replacement: replacement, prepending: try prepending(part), splits: part["split"]?.bool ?? true))
      ]
    case "Sequence":
      var stages: [PreTokenizer] = []
      for element in try Self.elements(part, "pretokenizers") { stages += try preTokenizers(element) }
      return stages
    default: throw Self.unsupported("pre-tokenizer", type)
    }
  }

  private func behavior(_ part: JSON) throws(TokenizerError) -> Pieces.Behavior {
    switch part["behavior"]?.string {
    case "Removed": return .removed
    case "Isolated": return .isolated
    case "MergedWithPrevious": return .mergedWithPrevious
    case "MergedWithNext": return .mergedWithNext
    case "Contiguous": return .contiguous
    default: throw Self.unsupported("split behavior", part["behavior"]?.string ?? "")
    }
  }

  /// When a Metaspace puts its mark before a piece; older files say so with `add_prefix_space`.
  func prepending(_ part: JSON) throws(TokenizerError) -> PreTokenizer.Metaspace.Prepending {
    if part["add_prefix_space"]?.bool == false { return .never }
    switch part["prepend_scheme"]?.string {
    case "always", nil: return .always
    case "first": return .first
    case "never": return .never
    case let other?: throw Self.unsupported("prepend scheme", other)
    }
  }
}
