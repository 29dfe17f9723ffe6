import PithJSON
import PithTestSupport
import PithTokenizers
import Testing

/// Small tokenizers of each kind beside what the reference library does (`Tools/make_tokenizer_fixtures.py`).
struct ReferenceTokenizerTests {
  static let names = [
    "gpt2", "smollm", "roberta", "llama3", "qwen2", "o200k", "llama2", "gemma", "bert", "bert-cased", "t5",
    "xlmr",
    "albert", "unigram-bytes",
  ]
  static let texts = try! FixtureFile.json("tokenizers/strings.json").array!.map { $0.string! }

  @Test func thereAreTwoThousandStrings() { #expect(Self.texts.count >= 2000) }

  @Test(arguments: names)
  func idsEqualTheReference(_ name: String) throws {
    let (tokenizer, expected) = try load(name)
    var wrong = 0
    for (text, ids) in zip(Self.texts, expected["ids"]!.array!) {
      let reference = ids.array!.map { Int32($0.int!) }
      let found = tokenizer.encode(text)
      guard found != reference else { continue }
      wrong += 1
      if wrong <= 5 { Issue.record("\(name) \(text.debugDescription): \(found), not \(reference)") }
    }
    #expect(wrong == 0, "\(name)")
  }

  @Test(arguments: names)
  func textFromIdsEqualsTheReferenceWholeAndInPieces(_ name: String) throws {
    let (tokenizer, expected) = try load(name)
    let decoded = expected["decoded"]!
    var wrong = 0
    for (index, (text, ids)) in zip(Self.texts, expected["ids"]!.array!).enumerated() {
      let tokens = ids.array!.map { Int32($0.int!) }
      let reference = decoded[String(index)]?.string ?? text
      let found = tokenizer.decode(tokens)
      var stream = tokenizer.makeStreamingDecoder()
      let pieces = tokens.map { stream.append($0) } + [stream.finish()]
      let same =
        Array(found.utf8) == Array(reference.utf8) && Array(pieces.joined().utf8) == Array(reference.utf8)
      guard !same else { continue }
      wrong += 1
      if wrong <= 5 {
        Issue.record(
          "\(name) \(tokens): \(found.debugDescription), in pieces \(pieces.joined().debugDescription), not \(reference.debugDescription)"
        )
      }
    }
    #expect(wrong == 0, "\(name)")
  }

  @Test(arguments: names)
  func pairsEqualTheReference(_ name: String) throws {
    let (tokenizer, expected) = try load(name)
    let pair = tokenizer.encode("Hello there", "general")
    #expect(pair.ids == expected["pair"]!["ids"]!.array!.map { Int32($0.int!) })
    #expect(pair.typeIDs == expected["pair"]!["types"]!.array!.map { Int32($0.int!) })
  }

  @Test(arguments: names)
  func everyTokenIsFoundByItsName(_ name: String) throws {
    let (tokenizer, _) = try load(name)
    for id in 0..<Int32(tokenizer.vocabularySize) {
      guard let token = tokenizer.token(id) else { continue }
      let found = tokenizer.id(of: token)
      #expect(found.flatMap { tokenizer.token($0) } == token)
    }
  }

  private func load(_ name: String) throws -> (Tokenizer, JSON) {
    (
      try Tokenizer(tokenizerJSON: FixtureFile.json("tokenizers/\(name)/tokenizer.json")),
      try FixtureFile.json("tokenizers/\(name)/expected.json")
    )
  }
}
