import PithJSON

/// The tokenizer of a model whose tokens are bytes: 256 of them, no merges.
enum ByteTokenizer {
  /// The tokens.
  static let count = 256

  /// The `tokenizer.json`.
  static let json: JSONValue = {
    // The characters that stand for bytes in byte-level vocabularies (GPT-2): printable ones for themselves, the others from
    // U+0100 on.
    let printable = Set(33...126).union(161...172).union(174...255)
    var next: UInt32 = 256
    let entries = (0..<256).map { byte in
      var letter = UInt32(byte)
      if !printable.contains(byte) {
        letter = next
        next += 1
      }
      return JSONValue.Member(String(Unicode.Scalar(letter)!), .int(byte))
    }
    return [
      "version": "1.0", "added_tokens": [], "normalizer": .null,
      "pre_tokenizer": [
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
      ],
      "post_processor": .null,
      "decoder": ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
      "model": ["type": "BPE", "vocab": .object(entries), "merges": []],
    ]
  }()
}
