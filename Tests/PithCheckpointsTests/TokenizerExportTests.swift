import Foundation
import PithCheckpoints
import PithJSON
import PithTestSupport
import PithTokenizers
import Testing

struct TokenizerExportTests {
  @Test(arguments: ["llama", "qwen2", "gemma3"])
  func aVocabularyWrittenAsAFolderEncodesAndDecodesAsBefore(_ name: String) throws {
    let checkpoint = try Checkpoint(path: Fixtures.path("gguf/\(name).gguf"))
    let files = Dictionary(uniqueKeysWithValues: try checkpoint.companionFiles().map { ($0.name, $0.bytes) })
    let written = try Tokenizer(
      tokenizerJSON: JSON(parsing: try #require(files["tokenizer.json"])),
      configuration: JSON(parsing: try #require(files["tokenizer_config.json"])))
    let direct = try checkpoint.tokenizer()
    #expect(written.beginningOfText == direct.beginningOfText && written.endOfText == direct.endOfText)
    let data = try Data(contentsOf: URL(filePath: Fixtures.path("tokenizers/strings.json")))
    let texts = try JSON(parsing: [UInt8](data)).array!.compactMap(\.string)
    #expect(texts.count >= 2000)
    for text in texts {
      let ids = direct.encode(text)
      #expect(written.encode(text) == ids, "\(text.debugDescription)")
      #expect(written.decode(ids) == direct.decode(ids), "\(text.debugDescription)")
    }
  }
}
