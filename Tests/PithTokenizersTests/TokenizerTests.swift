import PithTokenizers
import Testing

@Suite struct TokenizerTests {
  @Test func pairsGetTheirSeparatorsAndTypes() throws {
    let bert = try ReferenceAnswers(family: "bert-uncased").tokenizer()
    let (first, second) = (
      bert.encode("the man", addingSpecialTokens: false), bert.encode("was", addingSpecialTokens: false)
    )
    let pair = bert.encode("the man", "was")
    #expect(pair.ids == [2] + first + [3] + second + [3])
    #expect(
      pair.typeIDs == [Int32](repeating: 0, count: first.count + 2)
        + [Int32](repeating: 1, count: second.count + 1))
    let roberta = try ReferenceAnswers(family: "roberta").tokenizer()
    let plain = roberta.encode("the", addingSpecialTokens: false)
    #expect(roberta.encode("the", "the").ids == [0] + plain + [2, 2] + plain + [2])
    #expect(roberta.encode("the", "the").typeIDs.allSatisfy { $0 == 0 })
    #expect(roberta.encode("the", "the", addingSpecialTokens: false).ids == plain + plain)
  }

  @Test func tokensAndIdsAreFoundByContent() throws {
    let tokenizer = try ReferenceAnswers(family: "qwen2").tokenizer()
    #expect(tokenizer.id(of: "<|im_end|>") == 2 && tokenizer.token(2) == "<|im_end|>")
    #expect(tokenizer.isSpecial(2))
    let tool = try #require(tokenizer.id(of: "<tool>"))
    #expect(!tokenizer.isSpecial(tool))
    #expect(tokenizer.vocabularySize == 1502)
    #expect(
      tokenizer.id(of: "no such token") == nil && tokenizer.token(-1) == nil && tokenizer.token(.max) == nil)
    #expect(tokenizer.decode([-5, .max, .min]) == "")
  }

  @Test func configurationNamesTheTokensAroundAText() throws {
    let reference = try ReferenceAnswers(family: "smollm")
    let tokenizer = try reference.tokenizer(
      configuration:
        #"{"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "add_bos_token": true}"#)
    #expect(tokenizer.beginningOfText == 1 && tokenizer.endOfText == 2)
    #expect(tokenizer.encode("a").first == 1 && tokenizer.encode("a").last != 2)
    #expect(tokenizer.encode("a", addingSpecialTokens: false).first != 1)
  }

  @Test func halvesOfCharactersAreHeldBack() throws {
    let tokenizer = try ReferenceAnswers(family: "gpt2").tokenizer()
    let ids = tokenizer.encode("\u{10FFFD}")
    #expect(ids.count == 4)
    var decoder = tokenizer.makeStreamingDecoder()
    #expect(ids.map { decoder.append($0) } == ["", "", "", "\u{10FFFD}"])
    #expect(decoder.finish() == "")
    var broken = tokenizer.makeStreamingDecoder()
    #expect(broken.append(ids[0]) + broken.append(ids[1]) == "")
    #expect(broken.finish() == "\u{FFFD}")
  }

  @Test func textsAreTheSumOfPartsThatNoMergeJoins() throws {
    // No token of the family joins an emoji to the word after it.
    let tokenizer = try ReferenceAnswers(family: "llama2").tokenizer()
    let words = (0..<200).map { "word\($0 % 7)\u{1F600}" }
    let parts = words.flatMap { tokenizer.encode($0, addingSpecialTokens: false) }
    #expect(tokenizer.encode(words.joined(separator: " "), addingSpecialTokens: false) == parts)
  }
}
