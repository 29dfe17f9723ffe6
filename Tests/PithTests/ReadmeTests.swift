import Foundation
import Pith
import PithTestSupport
import Testing

/// What the README shows.
struct ReadmeTests {
  @Test func theLanguageModelOfTheReadmeWrites() async throws {
    let path = Fixtures.path("gguf/llama.gguf")
    let model = try LanguageModel(path: path)
    var text = ""
    for await piece in model.generate("The", maxTokens: 8, sampling: .greedy) { text += piece }
    #expect(!text.isEmpty)
    #expect(Array(model.generate("The", maxTokens: 8, sampling: .greedy) as TextStream).joined() == text)
  }

  @Test func theWrongKindOfModelIsNamed() {
    #expect(throws: CheckpointError.self) { try TextEncoder(path: Fixtures.path("gguf/llama.gguf")) }
  }
}
