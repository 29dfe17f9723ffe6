import PithJSON
import PithTestSupport
import PithTokenizers
import Testing

@Suite struct ReferenceTests {
  static let families = [
    "gpt2", "smollm", "llama3", "qwen2", "o200k", "roberta", "clip", "llama2", "mistral", "gemma",
    "bert-uncased",
    "bert-cased", "xlmr", "t5", "albert", "wordlevel",
  ]

  @Test(arguments: families)
  func idsAndTextsEqualTheReference(family: String) throws {
    let reference = try ReferenceAnswers(family: family)
    let tokenizer = try reference.tokenizer()
    var faults: [String] = []
    for (string, answer) in zip(reference.strings, reference.answers) {
      let ids = tokenizer.encode(string)
      if ids != answer.ids {
        faults.append("\(string.debugDescription): \(ids) is not \(answer.ids)")
      } else if fnv1a(tokenizer.decode(ids)) != answer.textHash {
        faults.append("\(string.debugDescription) is decoded as \(tokenizer.decode(ids).debugDescription)")
      } else if fnv1a(tokenizer.decode(ids, skippingSpecialTokens: false)) != answer.fullTextHash {
        faults.append("\(string.debugDescription) is decoded differently with special tokens")
      }
    }
    #expect(
      faults.isEmpty,
      "\(faults.count) of \(reference.strings.count): \(faults.prefix(3).joined(separator: "\n"))")
  }

  @Test(arguments: families)
  func streamedTextEqualsDecodedText(family: String) throws {
    let reference = try ReferenceAnswers(family: family)
    let tokenizer = try reference.tokenizer()
    for answer in reference.answers {
      for skips in [true, false] {
        var decoder = tokenizer.makeStreamingDecoder(skippingSpecialTokens: skips)
        var text = answer.ids.map { decoder.append($0) }.joined()
        text += decoder.finish()
        #expect(text.utf8.elementsEqual(tokenizer.decode(answer.ids, skippingSpecialTokens: skips).utf8))
      }
    }
  }
}

/// The strings, a family's tokenizer, and what the reference makes of the strings.
struct ReferenceAnswers {
  struct Answer {
    var ids: [Int32]
    var textHash: UInt32
    var fullTextHash: UInt32
  }

  let family: String
  let strings: [String]
  let answers: [Answer]

  init(family: String) throws {
    self.family = family
    let list = try JSON(parsing: readFile(Fixtures.path("tokenizers/strings.json")))
    strings = (list.array ?? .empty).map { $0.string ?? "" }
    let bytes = try readFile(Fixtures.path("tokenizers/\(family).ref"))
    var position = 0
    func number() -> Int {
      var (value, shift) = (0, 0)
      while true {
        let byte = Int(bytes[position])
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 { return value }
      }
    }
    func hash() -> UInt32 {
      position += 4
      return bytes[position - 4..<position].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    answers = strings.map { _ in
      let ids = (0..<number()).map { _ in Int32(number()) }
      return Answer(ids: ids, textHash: hash(), fullTextHash: hash())
    }
    #expect(position == bytes.count)
  }

  func tokenizer(configuration: String? = nil) throws -> Tokenizer {
    try Tokenizer(
      tokenizerJSON: JSON(parsing: readFile(Fixtures.path("tokenizers/\(family).json"))),
      configuration: configuration.map { try JSON(parsing: $0) })
  }
}

func fnv1a(_ text: String) -> UInt32 {
  text.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
}
