import PithJSON

extension TokenizerFile {
  func normalizer(_ part: JSON) throws(TokenizerError) -> Normalizer {
    let type = try Self.type(part)
    switch type {
    case "NFC": return .unicode(.nfc)
    case "NFD": return .unicode(.nfd)
    case "NFKC": return .unicode(.nfkc)
    case "NFKD": return .unicode(.nfkd)
    case "Lowercase": return .lowercase
    case "Strip":
      return .strip(left: part["strip_left"]?.bool ?? true, right: part["strip_right"]?.bool ?? true)
    case "StripAccents": return .stripAccents
    case "Replace": return .replace(try Self.pattern(part), with: try Self.bytes(part, "content"))
    case "Prepend": return .prepend(try Self.bytes(part, "prepend"))
    case "Nmt": return .nmt
    case "ByteLevel": return .byteLetters
    case "BertNormalizer":
      let lowercases = part["lowercase"]?.bool ?? true
      return .bert(
        BertNormalization(
          cleansText: part["clean_text"]?.bool ?? true,
          separatesIdeographs: part["handle_chinese_chars"]?.bool ?? true,
          stripsAccents: part["strip_accents"]?.bool ?? lowercases, lowercases: lowercases))
    case "Precompiled":
      guard let blob = Base64.decode(try Self.bytes(part, "precompiled_charsmap")) else {
        throw TokenizerError("The precompiled character map is not Base64; take it again from its source.")
      }
      return .precompiled(try PrecompiledMap(blob))
    case "Sequence":
      var stages: [Normalizer] = []
      for element in try Self.elements(part, "normalizers") { stages.append(try normalizer(element)) }
      return .sequence(stages)
    default: throw Self.unsupported("normalizer", type)
    }
  }
}

/// RFC 4648's encoding of bytes as text.
private enum Base64 {
  static func decode(_ text: [UInt8]) -> [UInt8]? {
    var output: [UInt8] = []
    output.reserveCapacity(text.count * 3 / 4)
    var (bits, count): (UInt32, Int) = (0, 0)
    for byte in text {
      let value: UInt8
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "/"): value = 63
      case UInt8(ascii: "="), 0x0A, 0x0D: continue
      default: return nil
      }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        output.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return output
  }
}
