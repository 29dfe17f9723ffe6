import PithJSON
import PithTestSupport
import PithTokenizers
import Testing

@Suite struct HostileFilesTests {
  @Test(arguments: [
    "[]", "{}", #"{"model":3}"#, #"{"model":{"type":"BPE"}}"#,
    #"{"model":{"type":"BPE","vocab":{"a":4000000000}}}"#,
    #"{"model":{"type":"BPE","vocab":{"a":-1}}}"#, #"{"model":{"type":"BPE","vocab":{"a":0,"b":0}}}"#,
    #"{"model":{"type":"BPE","vocab":{"a":"0"}}}"#,
    #"{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}"#,
    #"{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}"#,
    #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[7]}}"#,
    #"{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}"#,
    #"{"model":{"type":"Unigram","vocab":{"a":0}}}"#,
    #"{"model":{"type":"Unigram","vocab":[["a"]]}}"#,
    #"{"model":{"type":"Unigram","vocab":[["a",0]],"unk_id":1}}"#,
    #"{"model":{"type":"Nonsense","vocab":{}}}"#,
    #"{"model":{"type":"BPE","vocab":{}},"normalizer":{"type":"Nonsense"}}"#,
    #"{"model":{"type":"BPE","vocab":{}},"normalizer":{"type":"Precompiled","precompiled_charsmap":"////"}}"#,
    #"{"model":{"type":"BPE","vocab":{}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("}}}"#,
    #"{"model":{"type":"BPE","vocab":{}},"pre_tokenizer":{"type":"Sequence"}}"#,
    #"{"model":{"type":"BPE","vocab":{}},"decoder":{"type":"Strip","content":"a","start":99999999}}"#,
    #"{"model":{"type":"BPE","vocab":{}},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]}}"#,
    #"{"model":{"type":"BPE","vocab":{}},"added_tokens":[{"id":-1,"content":"x"}]}"#,
    #"{"model":{"type":"BPE","vocab":{}},"added_tokens":[{"id":1}]}"#,
  ])
  func faultsAreNamed(text: String) throws {
    let json = try JSON(parsing: text)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(tokenizerJSON: json) }
    let message = error?.description ?? ""
    #expect(message.count > 20 && message.hasSuffix("."))
  }

  @Test func chainsOfReplacementsThatGrowWithoutBoundAreRefused() throws {
    let doubling = #"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#
    let chain = [String](repeating: doubling, count: 64).joined(separator: ",")
    for part in [
      #""normalizer":{"type":"Sequence","normalizers":[\#(chain)]}"#,
      #""decoder":{"type":"Sequence","decoders":[\#(chain)]}"#,
    ] {
      let json = try JSON(parsing: #"{"model":{"type":"BPE","vocab":{}},\#(part)}"#)
      #expect(throws: TokenizerError.self) { try Tokenizer(tokenizerJSON: json) }
    }
  }

  @Test func distantIdsOfAddedTokensCostNothing() throws {
    let tokenizer = try Tokenizer(
      tokenizerJSON: JSON(
        parsing:
          #"{"model":{"type":"BPE","vocab":{"a":0}},"added_tokens":[{"id":2147483647,"content":"<x>"}]}"#))
    #expect(tokenizer.encode("a<x>a") == [0, .max, 0])
    #expect(tokenizer.decode([.max]) == "<x>")
  }

  @Test(.timeLimit(.minutes(5)), arguments: ReferenceTests.families)
  func noMutationCrashesOrHangs(family: String) throws {
    let path = Fixtures.path("tokenizers/\(family).json")
    let text = try readFile(path)
    var generator = SeededGenerator(seed: 11)
    let sample = "Hello, wörld 123\n\n <s> [MASK] 你好 😀 e\u{301} don't"
    let model = try #require(text.firstRange(of: Array("\"model\"".utf8))).lowerBound
    for _ in 0..<60 {
      var mutated = text
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        // The parts before the vocabulary hold the structure; most faults are put there.
        let limit =
          Int.random(in: 0..<4, using: &generator) == 0 ? mutated.count : min(model + 200, mutated.count)
        let place = Int.random(in: 0..<limit, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: mutated[place] = UInt8.random(in: 0x20...0x7E, using: &generator)
        case 1: mutated.remove(at: place)
        case 2: mutated.insert(UInt8(ascii: "9"), at: place)
        default: mutated[place] = UInt8(ascii: "0")
        }
      }
      guard let json = try? JSON(parsing: mutated), let tokenizer = try? Tokenizer(tokenizerJSON: json) else {
        continue
      }
      let ids = tokenizer.encode(sample)
      _ = tokenizer.decode(ids, skippingSpecialTokens: false)
      _ = tokenizer.encode(sample, sample)
    }
  }
}
