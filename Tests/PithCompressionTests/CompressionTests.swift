import Foundation
import PithCheckpoints
import PithCompression
import PithModels
import PithQuantization
import PithTensors
import PithTestSupport
import Testing

struct CompressionTests {
  let pool = ThreadPool(threads: 2)

  private func temporaryPath() -> String {
    FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
  }

  @Test(arguments: ["llama-biases", "qwen2", "qwen3", "gemma3", "mistral", "llama-untied-llama3"])
  func eightBitsOfADecoderAreNearlyTheOriginal(_ name: String) throws {
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let source = try Checkpoint(path: Fixtures.path("models/\(name)"))
    let card = try compress(source, "rtn", [(.bits, "8"), (.groupSize, "8")], to: path)
    #expect(card.matrices.reduce(0) { $0 + $1.bytes } < card.matrices.reduce(0) { $0 + $1.weights } * 3 / 2)
    let (before, after) = (try logits(source), try logits(Checkpoint(path: path)))
    let difference = zip(before, after).map { abs($0 - $1) }.max()!
    let span = before.max()! - before.min()!
    #expect(difference > 0 && difference < 0.05 * span, "\(name): \(difference) of \(span)")
  }

  @Test(arguments: ["bert-classifier", "distilbert"])
  func eightBitsOfAnEncoderAreNearlyTheOriginal(_ name: String) throws {
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let source = try Checkpoint(path: Fixtures.path("models/\(name)"))
    _ = try compress(source, "rtn", [(.bits, "8"), (.groupSize, "8")], to: path)
    let (before, after) = (try states(source), try states(Checkpoint(path: path)))
    let difference = zip(before, after).map { abs($0 - $1) }.max()!
    #expect(difference > 0 && difference < 0.2, "\(name): \(difference)")
  }

  @Test func theSameInputGivesTheSameBytes() throws {
    let paths = [temporaryPath(), temporaryPath()]
    defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
    let source = try Checkpoint(path: Fixtures.path("gguf/llama.gguf"))
    for (path, threads) in zip(paths, [1, 2]) {
      _ = try compress(source, "kmeans", to: path, threads: threads)
    }
    for file in try FileManager.default.contentsOfDirectory(atPath: paths[0]) where file != ReportCard.file {
      let contents = paths.map { FileManager.default.contents(atPath: $0 + "/" + file) }
      #expect(contents[0] == contents[1], "\(file)")
    }
  }

  @Test func aChangedFileFailsItsChecksum() throws {
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    _ = try compress(Checkpoint(path: Fixtures.path("gguf/llama.gguf")), "nf4", to: path)
    try Checksums.verify(folder: path)
    var weights = try #require(FileManager.default.contents(atPath: path + "/model.safetensors"))
    weights[weights.count - 1] ^= 1
    try weights.write(to: URL(filePath: path + "/model.safetensors"))
    let error = #expect(throws: CheckpointError.self) { try Checksums.verify(folder: path) }
    #expect(error?.path.hasSuffix("model.safetensors") == true)
  }

  @Test func aFileBelowTheFolderHasAChecksumToo() throws {
    let (model, path) = (temporaryPath(), temporaryPath())
    defer { for folder in [model, path] { try? FileManager.default.removeItem(atPath: folder) } }
    try FileManager.default.copyItem(atPath: Fixtures.path("models/bert"), toPath: model)
    try FileManager.default.createDirectory(atPath: model + "/1_Pooling", withIntermediateDirectories: true)
    try Data(#"{"pooling_mode_mean_tokens": true}"#.utf8).write(
      to: URL(filePath: model + "/1_Pooling/config.json"))
    _ = try compress(Checkpoint(path: model), "rtn", [(.bits, "8"), (.groupSize, "8")], to: path)
    try Checksums.verify(folder: path)
    try Data("{}".utf8).write(to: URL(filePath: path + "/1_Pooling/config.json"))
    let error = #expect(throws: CheckpointError.self) { try Checksums.verify(folder: path) }
    #expect(error?.path.hasSuffix("1_Pooling/config.json") == true)
  }

  /// Checksums that a stranger wrote must not have other files of the machine read.
  @Test(arguments: ["/etc/passwd", "../secret", "a/../../secret"])
  func checksumsStayInTheirFolder(_ name: String) throws {
    let path = temporaryPath()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let line = String(repeating: "0", count: 64) + "  \(name)\n"
    try Data(line.utf8).write(to: URL(filePath: path + "/" + Checksums.file))
    let error = #expect(throws: CheckpointError.self) { try Checksums.verify(folder: path) }
    #expect(error?.path == path + "/" + Checksums.file)
  }

  @Test func nothingIsLeftWhereAMethodFails() throws {
    let path = temporaryPath()
    let source = try Checkpoint(path: Fixtures.path("models/llama"))
    #expect(throws: RecipeError.self) { try compress(source, "nf4", [(.bits, "3")], to: path) }
    #expect(throws: CheckpointError.self) { try compress(source, "nf4", to: path + "/nowhere/deep") }
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @discardableResult
  private func compress(
    _ source: Checkpoint, _ method: String, _ options: [(MethodOptions.Name, String)] = [],
    to path: String,
    threads: Int = 2
  ) throws -> ReportCard {
    let recipe = try Recipe(method: .named(method)!, options: options)
    return try Compression(recipe).run(
      source, to: path, Compression.Settings(measures: false), on: ThreadPool(threads: threads))
  }

  private func logits(_ checkpoint: Checkpoint) throws -> [Float] {
    guard case .decoder(let decoder) = try checkpoint.model() else { return [] }
    let tokens: [Int32] = [1, 5, 9, 2, 17]
    let cache = KeyValueCache(decoder.configuration, capacity: tokens.count)
    var run = Inference(Batch([(sequence: 0, position: 0, tokens: tokens)]), cache: cache, pool: pool)
    return decoder.logits(decoder.states(tokens, &run), &run).values
  }

  private func states(_ checkpoint: Checkpoint) throws -> [Float] {
    guard case .encoder(let encoder) = try checkpoint.model() else { return [] }
    let batch = Batch([(sequence: 0, position: 0, tokens: [1, 5, 9, 2, 17])])
    var run = Inference(batch, pool: pool)
    return encoder.states(batch, &run).values
  }
}
