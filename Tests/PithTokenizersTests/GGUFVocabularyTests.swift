import PithJSON
import PithTestSupport
import PithTokenizers
import Testing

@Suite struct GGUFVocabularyTests {
  @Test(arguments: ["smollm", "gpt2", "llama3"])
  func byteLevelVocabulariesEqualTheirFiles(family: String) throws {
    let file = try TokenizerFileParts(family: family)
    let names = ["smollm": "smollm", "gpt2": "gpt-2", "llama3": "llama-bpe"]
    var vocabulary = GGUFVocabulary(model: "gpt2", pre: names[family], tokens: file.tokens)
    vocabulary.types = file.types(special: 3)
    vocabulary.merges = file.merges.map { $0.0 + [0x20] + $0.1 }
    vocabulary.beginningOfText = family == "llama3" ? 0 : nil
    try expectEqual(Tokenizer(vocabulary), family)
  }

  @Test(arguments: ["llama2", "gemma"])
  func sentencePieceVocabulariesEqualTheirFiles(family: String) throws {
    let file = try TokenizerFileParts(family: family)
    var vocabulary = GGUFVocabulary(model: "llama", tokens: file.tokens)
    vocabulary.types = file.types(special: 3)
    // The scores that SentencePiece would give: the order of the merges. What no merge makes is a single letter.
    vocabulary.scores = [Float](repeating: -1e6, count: file.tokens.count)
    var ids: [[UInt8]: Int] = [:]
    for (id, token) in file.tokens.enumerated() { ids[token] = id }
    for (rank, merge) in file.merges.enumerated() {
      let id = try #require(ids[merge.0 + merge.1])
      if vocabulary.scores[id] == -1e6 { vocabulary.scores[id] = -Float(rank) }
    }
    vocabulary.unknown = family == "gemma" ? 3 : 0
    vocabulary.beginningOfText = family == "gemma" ? 2 : 1
    vocabulary.addsSpacePrefix = family != "gemma"
    try expectEqual(Tokenizer(vocabulary), family)
  }

  @Test func wordPieceVocabulariesEqualTheirFiles() throws {
    let file = try TokenizerFileParts(family: "bert-uncased")
    let tokens = file.tokens.map { token in
      if token.starts(with: "##".utf8), token.count > 2 { return Array(token.dropFirst(2)) }
      let isBracketed = token.first == UInt8(ascii: "[") && token.last == UInt8(ascii: "]") && token.count > 1
      return isBracketed ? token : Array("▁".utf8) + token
    }
    var vocabulary = GGUFVocabulary(model: "bert", tokens: tokens)
    vocabulary.types = file.types(special: 3)
    (vocabulary.unknown, vocabulary.beginningOfText, vocabulary.separator) = (1, 2, 3)
    try expectEqual(Tokenizer(vocabulary), "bert-uncased")
  }

  @Test func faultyVocabulariesAreRefused() {
    var vocabulary = GGUFVocabulary(model: "gpt2", pre: "gpt-2", tokens: ["a", "b"].map { Array($0.utf8) })
    #expect(throws: Never.self) { try Tokenizer(vocabulary) }
    func refuses(_ change: (inout GGUFVocabulary) -> Void) {
      var changed = vocabulary
      change(&changed)
      #expect(throws: TokenizerError.self) { try Tokenizer(changed) }
    }
    refuses { $0.model = "rwkv" }
    refuses { $0.pre = "unheard-of" }
    refuses { $0.tokens = [] }
    refuses { $0.merges = [Array("a b".utf8)] }
    refuses { $0.merges = [Array("ab".utf8)] }
    refuses { $0.types = [1] }
    refuses { $0.endOfText = 2 }
    refuses { $0.beginningOfText = -1 }
    refuses { $0.model = "t5" }
    vocabulary.model = "t5"
    vocabulary.scores = [-1, .nan]
    refuses { _ in }
    vocabulary.scores = [-1, -2]
    refuses { $0.precompiledCharacterMap = [255, 255, 255, 255, 1] }
  }

  private func expectEqual(_ tokenizer: Tokenizer, _ family: String) throws {
    let reference = try ReferenceAnswers(family: family)
    var faults: [String] = []
    for (string, answer) in zip(reference.strings, reference.answers) {
      let ids = tokenizer.encode(string)
      if ids != answer.ids { faults.append("\(string.debugDescription): \(ids) is not \(answer.ids)") }
      if fnv1a(tokenizer.decode(answer.ids)) != answer.textHash {
        faults.append("text of \(string.debugDescription)")
      }
    }
    #expect(faults.isEmpty, "\(faults.count) faults: \(faults.prefix(3).joined(separator: "\n"))")
  }
}

/// The lists of a `tokenizer.json`, as a converter to GGUF would write them.
private struct TokenizerFileParts {
  var tokens: [[UInt8]] = []
  var merges: [([UInt8], [UInt8])] = []
  private var added: [Int: Bool] = [:]

  init(family: String) throws {
    let root = try JSON(parsing: readFile(Fixtures.path("tokenizers/\(family).json")))
    func put(_ token: [UInt8], at id: Int) {
      while tokens.count <= id { tokens.append([]) }
      tokens[id] = token
    }
    for member in root["model"]?["vocab"]?.object ?? .empty {
      put(member.name.utf8 ?? [], at: member.value.int ?? 0)
    }
    for token in root["added_tokens"]?.array ?? .empty {
      let id = token["id"]?.int ?? 0
      put(token["content"]?.utf8 ?? [], at: id)
      added[id] = token["special"]?.bool ?? false
    }
    for merge in root["model"]?["merges"]?.array ?? .empty {
      merges.append((merge[0]?.utf8 ?? [], merge[1]?.utf8 ?? []))
    }
  }

  func types(special: Int32) -> [Int32] { tokens.indices.map { added[$0].map { $0 ? special : 4 } ?? 1 } }
}
