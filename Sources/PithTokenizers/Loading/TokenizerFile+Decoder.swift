import PithJSON

extension TokenizerFile {
  /// The stages of a decoder, sequences flattened.
  func decoders(_ part: JSON) throws(TokenizerError) -> [DecoderStage.Kind] {
    let type = try Self.type(part)
    switch type {
    case "ByteLevel": return [.byteLetters]
    case "WordPiece":
      return [
        .wordPiece(prefix: part["prefix"]?.utf8 ?? Array("##".utf8), cleansUp: part["cleanup"]?.bool ?? true)
      ]
    case "Metaspace":
      return [
        .metaspace(
          replacement: part["replacement"]?.utf8 ?? Array("▁".utf8),
          dropsFirst: try prepending(part) != .never)
      ]
    case "ByteFallback": return [.byteFallback]
    case "Fuse": return [.fuse]
    case "Strip":
      guard let content = UTF8Text.scalars(of: try Self.bytes(part, "content")).first else {
        throw TokenizerError("What a Strip decoder takes away is empty; give it one character.")
      }
      let (start, stop) = (part["start"]?.int ?? 0, part["stop"]?.int ?? 0)
      guard (0...4096).contains(start), (0...4096).contains(stop) else {
        throw TokenizerError("A Strip decoder takes away too much; give it at most 4096 characters.")
      }
      return [.strip(content: content, left: start, right: stop)]
    case "Replace": return [.replace(try Self.pattern(part), with: try Self.bytes(part, "content"))]
    case "BPEDecoder": return [.wordSuffix(part["suffix"]?.utf8 ?? Array("</w>".utf8))]
    case "CTC":
      return [
        .ctc(
          pad: part["pad_token"]?.utf8 ?? Array("<pad>".utf8),
          delimiter: part["word_delimiter_token"]?.utf8 ?? Array("|".utf8),
          cleansUp: part["cleanup"]?.bool ?? true)
      ]
    case "Sequence":
      var stages: [DecoderStage.Kind] = []
      for element in try Self.elements(part, "decoders") { stages += try decoders(element) }
      return stages
    default: throw Self.unsupported("decoder", type)
    }
  }
}
