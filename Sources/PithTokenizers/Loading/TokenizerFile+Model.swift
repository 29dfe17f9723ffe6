import PithJSON

extension TokenizerFile {
  func model() throws(TokenizerError) -> PieceModel {
    guard let model = part("model"), model.kind == .object else {
      throw TokenizerError("tokenizer.json has no \"model\"; take it again from its source.")
    }
    let isList = model["vocab"]?.kind == .array
    let type = model["type"]?.string ?? (model["merges"] != nil ? "BPE" : isList ? "Unigram" : "WordPiece")
    switch type {
    case "BPE": return .bytePair(try bytePair(model))
    case "WordPiece": return .wordPiece(try wordPiece(model))
    case "Unigram": return .unigram(try unigram(model))
    case "WordLevel":
      let vocabulary = try vocabulary(model)
      return .wordLevel(WordLevel(vocabulary: vocabulary, unknown: unknown(model, vocabulary)))
    default: throw Self.unsupported("model", type)
    }
  }

  private func vocabulary(_ model: JSON) throws(TokenizerError) -> Vocabulary {
    guard let members = model["vocab"]?.object else {
      throw TokenizerError(
        "The model of tokenizer.json has no \"vocab\"; take the file again from its source.")
    }
    var vocabulary = Vocabulary(capacity: members.count)
    for member in members {
      guard let id = member.value.int else {
        throw TokenizerError(
          "The token \"\(member.key.prefix(40))\" has no whole number as its id; correct it.")
      }
      guard let bytes = member.name.utf8 else { continue }
      try vocabulary.insert(bytes, id: id)
    }
    return vocabulary
  }

  private func unknown(_ model: JSON, _ vocabulary: Vocabulary) -> Int32 {
    model["unk_token"]?.utf8.map { vocabulary.id(of: $0) } ?? Vocabulary.absent
  }

  private func wordPiece(_ model: JSON) throws(TokenizerError) -> WordPiece {
    let vocabulary = try vocabulary(model)
    return WordPiece(
      vocabulary: vocabulary, unknown: unknown(model, vocabulary),
      continuation: model["continuing_subword_prefix"]?.utf8 ?? Array("##".utf8),
      maximumCharacters: max(model["max_input_chars_per_word"]?.int ?? 100, 0))
  }

  private func unigram(_ model: JSON) throws(TokenizerError) -> Unigram {
    guard let entries = model["vocab"]?.array else {
      throw TokenizerError(
        "The model of tokenizer.json has no \"vocab\"; take the file again from its source.")
    }
    var vocabulary = Vocabulary(capacity: entries.count)
    var scores: [Double] = []
    for entry in entries {
      guard let token = entry[0]?.utf8, let score = entry[1].flatMap(Self.score) else {
        throw TokenizerError(
          "Entry \(scores.count) of the vocabulary is not a token with a score; correct it.")
      }
      try vocabulary.insert(token, id: scores.count)
      scores.append(score)
    }
    var unknown = Vocabulary.absent
    if let id = model["unk_id"]?.int {
      guard scores.indices.contains(id) else {
        throw TokenizerError("The id \(id) of the unknown token is outside of the vocabulary; correct it.")
      }
      unknown = Int32(id)
    }
    return Unigram(
      vocabulary: vocabulary, scores: scores, unknown: unknown,
      hasByteFallback: model["byte_fallback"]?.bool ?? false)
  }

  /// A score as the reference reads it: all digits as one integer, then a single division by a power of ten.
  ///
  /// That can be one unit in the last place off, and it decides between segmentations of equal score.
  private static func score(_ json: JSON) -> Double? {
    guard let exact = json.double, let text = json.numberText else { return nil }
    var digits: UInt64 = 0
    var fraction = 0
    var isFraction = false
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "-"): continue
      case UInt8(ascii: "."): isFraction = true
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
        let (sum, overflows) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
        // What no longer fits is cut off; before the point that would change the magnitude.
        if overflow || overflows { return isFraction ? scaled(digits, fraction, exact) : exact }
        digits = sum
        if isFraction { fraction += 1 }
      default: return exact
      }
    }
    return scaled(digits, fraction, exact)
  }

  private static func scaled(_ digits: UInt64, _ fraction: Int, _ exact: Double) -> Double {
    // Powers of ten are exact up to the 22nd.
    guard fraction <= 22 else { return exact }
    let power = (0..<fraction).reduce(1.0) { power, _ in power * 10 }
    return exact.sign == .minus ? -(Double(digits) / power) : Double(digits) / power
  }

  private func bytePair(_ model: JSON) throws(TokenizerError) -> BytePairEncoding {
    let vocabulary = try vocabulary(model)
    let prefix = model["continuing_subword_prefix"]?.utf8 ?? []
    let merges = try merges(model, vocabulary, prefix: prefix)
    var bytePair = BytePairEncoding(vocabulary: vocabulary, ranking: .merges(merges))
    bytePair.ignoresMerges = model["ignore_merges"]?.bool ?? false
    bytePair.unknown = unknown(model, vocabulary)
    bytePair.fusesUnknown = model["fuse_unk"]?.bool ?? false
    if model["byte_fallback"]?.bool == true { bytePair.byteTokens = ByteTokens(vocabulary) }
    bytePair.continuationPrefix = prefix
    bytePair.wordSuffix = model["end_of_word_suffix"]?.utf8 ?? []
    return bytePair
  }

  private func merges(
    _ model: JSON, _ vocabulary: Vocabulary, prefix: [UInt8]
  ) throws(TokenizerError) -> MergeTable {
    let entries = model["merges"]?.array ?? .empty
    var builder = MergeTableBuilder(vocabulary: vocabulary, capacity: entries.count, prefix: prefix)
    for entry in entries {
      if var pair = entry.array {
        guard pair.count == 2, let left = pair.next(), let right = pair.next() else {
          throw builder.fault(.malformed)
        }
        let outcome = left.withUTF8 { left in right.withUTF8 { builder.append(left, $0) } }
        if let fault = outcome.map({ $0 ?? .malformed }) ?? .malformed { throw builder.fault(fault) }
      } else if let fault = entry.withUTF8({ builder.append(spaced: $0) }) ?? .malformed {
        throw builder.fault(fault)
      }
    }
    return builder.table
  }
}
