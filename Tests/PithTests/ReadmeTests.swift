import Foundation
import Pith
import PithTestSupport
import Testing

/// What the README shows, so that it compiles and does what it says.
struct ReadmeTests {
  @Test func theLanguageModelOfTheReadmeWrites() async throws {
    let model = try LanguageModel(path: Fixtures.path("gguf/llama.gguf"))
    var text = ""
    for await piece in model.generate("The capital of France is", maxTokens: 64, sampling: .greedy) {
      text += piece
    }
    #expect(!text.isEmpty)
    let again: TextStream = model.generate("The capital of France is", maxTokens: 64, sampling: .greedy)
    #expect(again.map { (piece: String) in piece }.joined() == text)
  }

  @Test func theEncoderOfTheReadmeEmbeds() throws {
    let encoder = try TextEncoder(path: try encoderFolder())
    let embeddings = encoder.embed(["A man is eating.", "Someone has lunch."])
    #expect(embeddings.rows == 2 && embeddings.columns == 36)
    #expect(zip(embeddings[row: 0], embeddings[row: 1]).map(*).reduce(0, +).isFinite)
    // A text alone and in company is the same.
    let alone = encoder.embed(["Someone has lunch."])
    #expect(zip(alone.values, embeddings[row: 1]).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test func theWrongKindOfModelIsNamed() {
    #expect(throws: CheckpointError.self) { try TextEncoder(path: Fixtures.path("gguf/llama.gguf")) }
  }

  /// A small random encoder beside a small tokenizer whose ids it knows.
  private func encoderFolder() throws -> String {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    try FileManager.default.copyItem(atPath: Fixtures.path("models/bert"), toPath: folder)
    let words = [
      "[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "man", "is", "eating", "someone", "has", "lunch", ".",
    ]
    let vocabulary = words.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",")
    let tokenizer = """
      {"added_tokens":[],"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},
      "post_processor":{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]},
      "decoder":{"type":"WordPiece"},"model":{"type":"WordPiece","vocab":{\(vocabulary)}}}
      """
    try tokenizer.write(toFile: folder + "/tokenizer.json", atomically: true, encoding: .utf8)
    return folder
  }
}
