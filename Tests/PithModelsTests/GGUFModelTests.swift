import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTestSupport
import Testing

/// Small GGUF files beside what `transformers` and the reference tokenizer make of the same models
/// (`Tools/make_gguf_fixtures.py`).
struct GGUFModelTests {
  static let names = [
    "llama", "llama-q8_0", "llama-llama3", "llama-linear", "llama-biases", "qwen2", "qwen3", "gemma3",
    "gemma3-defaults",
  ]

  @Test(arguments: names)
  func logitsAndTokensEqualTheReference(_ name: String) throws {
    let checkpoint = try Checkpoint(path: Fixtures.path("gguf/\(name).gguf"))
    guard case .decoder(let decoder) = try checkpoint.model() else { return }
    let data = try Data(contentsOf: URL(filePath: Fixtures.path("gguf/\(name).expected.json")))
    let expected = try JSON(parsing: [UInt8](data))
    for sequence in expected["sequences"]!.array! {
      let tokens = sequence["input_ids"]!.array!.map { Int32($0.int!) }
      let cache = KeyValueCache(decoder.configuration, capacity: tokens.count)
      var run = Inference(
        Batch([(sequence: 0, position: 0, tokens: tokens)]), cache: cache, pool: ThreadPool(threads: 1))
      let logits = decoder.logits(decoder.states(tokens, &run), &run)
      let reference = sequence["logits"]!["values"]!.array!.map { Float($0.double!) }
      let difference = zip(logits.values, reference).map { abs($0 - $1) }.max() ?? .infinity
      #expect(reference.count == logits.values.count && difference <= 1e-4, "\(name): \(difference)")
    }
    let tokenizer = try checkpoint.tokenizer()
    for text in expected["texts"]?.array ?? .empty {
      let ids = (text["input_ids"] ?? text["ids"])!.array!.map { Int32($0.int!) }
      #expect(tokenizer.encode(text["text"]!.string!, addingSpecialTokens: false) == ids, "\(name)")
    }
  }
}
