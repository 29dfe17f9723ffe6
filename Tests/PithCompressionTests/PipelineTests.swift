import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithQuantization
import PithTensors
import PithTestSupport
import Testing

@testable import PithCompression

@Suite struct PipelineTests {
  private let pool = ThreadPool(threads: 2)
  private let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)")
    .path

  private func calibration(seed: UInt64 = 1, count: Int = 12) -> Calibration {
    var generator = SeededGenerator(seed: seed)
    let sequences = (0..<count + 4).map { _ in
      (0..<20).map { _ in Int32.random(in: 0..<60, using: &generator) }
    }
    return Calibration(
      sequences: Array(sequences.prefix(count)), heldOut: Array(sequences.suffix(4)), source: "noise",
      seed: seed)
  }

  private func source(_ name: String) throws -> Checkpoint {
    try Checkpoint(path: Fixtures.path("models/\(name)"))
  }

  private func compress(
    _ name: String, _ yaml: String, to path: String, _ calibration: Calibration?,
    _ settings: Compression.Settings = .init(), memory: Int = Compression.defaultMemory
  ) throws -> ReportCard {
    try Compression(Recipe(yaml: yaml), calibration: calibration, memory: memory).run(
      source(name), to: path, settings, on: pool)
  }

  private func bytes(_ path: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for file in try FileManager.default.contentsOfDirectory(atPath: path) where file != ReportCard.file {
      files[file] = FileManager.default.contents(atPath: path + "/" + file)
    }
    return files
  }

  @Test(arguments: ["llama-biases", "qwen3", "gemma3"])
  func gptqOfADecoderIsCloserToTheOriginalThanRounding(name: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let seen = calibration()
    let gptq = try compress(
      name, "steps: [{method: gptq, bits: 3, group-size: 16, range-search: minmax}]", to: folder + "/a", seen)
    let rtn = try compress(name, "steps: [{method: rtn, bits: 3, group-size: 16}]", to: folder + "/b", seen)
    #expect(try #require(gptq.quality?.klDivergence) < #require(rtn.quality?.klDivergence))
    #expect(gptq.matrices.count == rtn.matrices.count)
    #expect(gptq.matrices.allSatisfy { ($0.loss != nil) == $0.name.contains("layers") })
    let card = try #require(FileManager.default.contents(atPath: folder + "/a/pith.json"))
    let json = try Bytes(copying: [UInt8](card)).withUnsafeBytes { try JSON(parsing: $0) }
    #expect(json["kl_divergence"]?.double == gptq.quality?.klDivergence)
    #expect(json["bits_per_weight"]?.double == gptq.size.bitsPerWeight)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a", "b"])
  }

  @Test func anEncoderIsCalibratedToo() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let card = try compress(
      "bert", "steps: [{method: awq}, {method: gptq, bits: 4, group-size: 16}]", to: folder, calibration())
    #expect(try #require(card.cosine) > 0.98)
  }

  /// Scales that fold into a norm change no other matrix, so the model still computes what it did.
  @Test(arguments: ["llama-biases", "gemma3", "qwen2"])
  func awqInEightBitsIsNearlyTheOriginal(name: String) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let card = try compress(
      name, "steps: [{method: awq}, {method: rtn, bits: 8, group-size: 8}]\nembedding-bits: 0", to: folder,
      calibration())
    #expect(try #require(card.quality?.klDivergence) < 2e-4)
  }

  @Test(arguments: [
    "steps: [{method: gptq, bits: 3}]", "steps: [{method: awq}]", "steps: [{method: kmeans}]",
  ])
  func aRunThatWasInterruptedAnywhereEndsWithTheSameBytes(yaml: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    _ = try compress("llama-biases", yaml, to: folder + "/whole", calibration())
    for done in [1, 3, 6] {
      let path = folder + "/part"
      try interrupted("llama-biases", yaml, to: path, after: done)
      let refused = #expect(throws: CheckpointError.self) {
        try compress("llama-biases", yaml, to: path, calibration())
      }
      #expect(refused?.description.contains("--resume") == true)
      _ = try compress("llama-biases", yaml, to: path, calibration(), .init(resumes: true))
      #expect(try bytes(path) == bytes(folder + "/whole"))
      try FileManager.default.removeItem(atPath: path)
    }
  }

  /// The work is not lost because what it is to replace is still there.
  @Test func aRunThatReplacesAnOutputGoesOnToo() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (path, yaml) = (folder + "/part", "steps: [{method: gptq, bits: 3}]")
    _ = try compress("llama-biases", yaml, to: folder + "/whole", calibration())
    _ = try compress("llama-biases", "steps: [{method: rtn}]", to: path, nil)
    try interrupted("llama-biases", yaml, to: path, after: 3, overwrite: true)
    _ = try compress("llama-biases", yaml, to: path, calibration(), .init(resumes: true))
    #expect(try bytes(path) == bytes(folder + "/whole"))
    let error = #expect(throws: CheckpointError.self) {
      try compress("llama-biases", yaml, to: path, calibration(), .init(resumes: true))
    }
    #expect(error?.description.contains("it already exists") == true)
  }

  @Test func aResumeOfAnotherJobIsRefusedAndSaysWhatDiffers() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (path, yaml) = (folder + "/part", "steps: [{method: gptq, bits: 3}]")
    try interrupted("llama-biases", yaml, to: path, after: 2)
    func refusal(_ model: String, _ yaml: String, _ calibration: Calibration) -> String {
      let error = #expect(throws: CheckpointError.self) {
        try compress(model, yaml, to: path, calibration, .init(resumes: true))
      }
      return error?.description ?? ""
    }
    #expect(
      refusal("llama-biases", "steps: [{method: gptq, bits: 4}]", calibration()).contains(
        "recipe steps 1 bits: 4, was 3"))
    #expect(refusal("llama-biases", yaml, calibration(seed: 2)).contains("calibration seed: 2, was 1"))
    #expect(refusal("qwen2", yaml, calibration()).contains("(model: "))
    _ = try compress("llama-biases", yaml, to: path, calibration(), .init(overwrite: true))
    #expect(FileManager.default.fileExists(atPath: path + "/config.json"))
  }

  /// So a run may be resumed on another machine.
  @Test(arguments: [
    "steps: [{method: rotate}, {method: gptq, bits: 3}]", "steps: [{method: aq, bits: 3}]",
    "steps: [{method: awq}]", "steps: [{method: smoothquant}]",
  ])
  func theNumberOfThreadsChangesNothing(yaml: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for threads in 1...3 {
      _ = try Compression(Recipe(yaml: yaml), calibration: calibration()).run(
        source("llama-biases"), to: folder + "/\(threads)", .init(), on: ThreadPool(threads: threads))
      #expect(try bytes(folder + "/\(threads)") == bytes(folder + "/1"))
    }
  }

  /// Little memory, more parts and files: the same matrices.
  @Test func rowsThatLieAsideGiveTheSameBytes() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let yaml = "steps: [{method: gptq, bits: 3}]"
    _ = try compress("qwen3", yaml, to: folder + "/a", calibration())
    _ = try compress("qwen3", yaml, to: folder + "/b", calibration(), memory: 5000)
    #expect(try bytes(folder + "/a") == bytes(folder + "/b"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a", "b"])
  }

  @Test func aCompressedModelIsCompressedAgainOnlyByForce() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let yaml = "steps: [{method: rtn, group-size: 8}]"
    _ = try compress("llama", yaml, to: folder + "/a", nil)
    let again = try Compression(Recipe(yaml: yaml))
    let error = #expect(throws: CheckpointError.self) {
      try again.run(Checkpoint(path: folder + "/a"), to: folder + "/b", on: pool)
    }
    #expect(error?.description.contains("--force") == true)
    _ = try again.run(Checkpoint(path: folder + "/a"), to: folder + "/b", .init(overwrite: true), on: pool)
  }

  /// The folder is mapped while the output takes its place: what was there would be gone.
  @Test(arguments: ["m", "m/", "link", "m/../m"])
  func aModelIsNotReplacedByItself(output: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(atPath: Fixtures.path("models/llama"), toPath: folder + "/m")
    try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "m")
    let before = try bytes(folder + "/m")
    for source in ["m", "link"] {
      let error = #expect(throws: CheckpointError.self) {
        try Compression(Recipe(yaml: "steps: [{method: rtn}]")).run(
          Checkpoint(path: folder + "/" + source), to: folder + "/" + output, .init(overwrite: true), on: pool
        )
      }
      #expect(error?.description.contains("the model itself") == true)
    }
    #expect(try bytes(folder + "/m") == before)
  }

  @Test func aCalibrationWithoutTokensIsRefused() throws {
    let error = #expect(throws: RecipeError.self) {
      try Compression(
        Recipe(yaml: "steps: [{method: gptq}]"), calibration: Calibration(sequences: [], source: "x.txt"))
    }
    #expect(error == .emptyCalibration(source: "x.txt"))
  }

  /// Found before anything is begun, so nothing of it is in the way later.
  @Test(arguments: ["gptq", "rtn", "search"])
  func aWeightThatIsNoNumberIsNamedAndLeavesNothing(method: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(atPath: Fixtures.path("models/llama"), toPath: folder + "/m")
    let name = "model.layers.1.mlp.up_proj.weight"
    try putNaN(in: name, row: 2, column: 3, of: folder + "/m/model.safetensors")
    let source = try Checkpoint(path: folder + "/m")
    let error = #expect(throws: CompressionError.self) {
      if method == "search" {
        _ = try Search(source, calibration: calibration(), on: pool).table()
      } else {
        _ = try Compression(Recipe(yaml: "steps: [{method: \(method)}]"), calibration: calibration()).run(
          source, to: folder + "/out", on: pool)
      }
    }
    #expect(error?.matrix == name && error?.reason == .notFinite(row: 2, column: 3))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["m"])
  }

  @Test func everyMatrixOfALayerIsMeasuredWhereCalibrationIsRead() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let yaml = "steps: [{method: rtn, bits: 3}, {method: gptq, bits: 3, layers: {roles: [query]}}]"
    let card = try compress("llama-biases", yaml, to: folder, calibration())
    #expect(card.matrices.allSatisfy { ($0.loss ?? 0 > 0) == $0.name.contains("layers") })
  }

  @Test func windowsAreNoLongerThanTheContext() throws {
    let checkpoint = try Checkpoint(path: Fixtures.path("gguf/llama.gguf"))
    let model = try checkpoint.model()
    guard case .decoder(let decoder) = model else { return }
    let text = (0..<200).map { "The \($0)th fox. " }.joined()
    let calibration = try Calibration(
      documents: [text], source: "x.txt", tokenizer: checkpoint.tokenizer(), model: model, window: 4096)
    #expect(calibration.sequences.allSatisfy { $0.count == decoder.configuration.contextLength })
  }

  @Test func anExplanationCountsTheBytesThatARunThenStores() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let yaml = """
      steps:
        - {method: gptq, bits: 3, group-size: 8}
        - {method: nf4, layers: {roles: [down]}}
        - {method: kmeans, table-per-row: true, layers: {roles: [up]}}
      """
    let explained = try Explanation(Recipe(yaml: yaml), source("llama-biases"), tokens: 240, on: pool)
    let card = try compress("llama-biases", yaml, to: folder, calibration())
    #expect(explained.bytes == card.size.bytes)
    #expect(abs(explained.bitsPerWeight - (card.size.bitsPerWeight ?? 0)) < 1e-9)
  }

  @Test func aTextWithoutAWindowIsRefused() throws {
    let checkpoint = try Checkpoint(path: Fixtures.path("gguf/llama.gguf"))
    let (model, tokenizer) = (try checkpoint.model(), try checkpoint.tokenizer())
    let error = #expect(throws: CalibrationError.self) {
      try Calibration(documents: ["ab"], source: "short.txt", tokenizer: tokenizer, model: model)
    }
    #expect(error?.description.contains("short.txt") == true)
    #expect(throws: CalibrationError.badLine(source: "x.jsonl", line: 2)) {
      try CalibrationText.documents(of: "{\"text\": \"a\"}\n{\"t\": 1}", named: "x.jsonl")
    }
    #expect(
      try CalibrationText.documents(of: "{\"text\": \"a\\u00e9\"}\n\n{\"text\": \"\"}", named: "x.jsonl") == [
        "aé", "",
      ])
  }

  /// A kill in the midst of training leaves what was compressed, which is not computed again.
  @Test func trainingGoesOnBehindWhatWasCompressed() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let yaml = "steps: [{method: gptq, bits: 3, group-size: 16}]"
    let (path, copy) = (folder + "/part", folder + "/copy")
    let partial = folder + "/.part.partial"
    let tuning = Tuning(seconds: 0.5) { _, _ in
      if !FileManager.default.fileExists(atPath: copy) {
        try? FileManager.default.copyItem(atPath: partial, toPath: copy)
      }
    }
    #expect(tuning.seconds(of: .layers) + tuning.seconds(of: .whole) == tuning.seconds)
    #expect(tuning.seconds(of: .whole, byLayer: false) == tuning.seconds)
    let whole = try compress(
      "llama-biases", yaml, to: path, calibration(), .init(measures: false, tuning: tuning))
    try FileManager.default.removeItem(atPath: path)
    // What is missing is not made up for with nothing.
    try FileManager.default.copyItem(atPath: copy, toPath: partial)
    try FileManager.default.removeItem(atPath: partial + "/0.group.safetensors")
    let settings = Compression.Settings(resumes: true, measures: false, tuning: Tuning(seconds: 0.5))
    let refused = #expect(throws: CheckpointError.self) {
      try compress("llama-biases", yaml, to: path, calibration(), settings)
    }
    #expect(refused?.description.contains("is missing") == true)
    try FileManager.default.removeItem(atPath: partial)
    try FileManager.default.moveItem(atPath: copy, toPath: partial)
    let resumed = try compress("llama-biases", yaml, to: path, calibration(), settings)
    #expect(resumed.matrices.map(\.loss) == whole.matrices.map(\.loss))
    #expect(resumed.tuning?.before == whole.tuning?.before)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["part"])
  }

  /// Overwrites a weight of a float32 safetensors file.
  private func putNaN(in name: String, row: Int, column: Int, of path: String) throws {
    var data = try Data(contentsOf: URL(filePath: path))
    let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = Bytes(copying: [UInt8](data[8..<(8 + length)]))
    let tensor = try header.withUnsafeBytes { try JSON(parsing: $0)[name] }
    let start = try #require(tensor?["data_offsets"]?.array.map { $0.compactMap(\.int) }?.first)
    let columns = try #require(tensor?["shape"]?.array.map { $0.compactMap(\.int) }?.last)
    let place = 8 + length + start + 4 * (row * columns + column)
    data.replaceSubrange(place..<(place + 4), with: [0, 0, 0xC0, 0x7F])
    try data.write(to: URL(filePath: path))
  }

  /// Runs a compression whose process dies after some groups: what is left is what a kill leaves.
  private func interrupted(
    _ name: String, _ yaml: String, to path: String, after done: Int, overwrite: Bool = false
  ) throws {
    let copy = folder + "/copy"
    _ = try compress(name, yaml, to: copy, calibration())
    try FileManager.default.removeItem(atPath: copy)
    let recipe = try Recipe(yaml: yaml)
    let checkpoint = try source(name)
    let model = try checkpoint.model()
    let contents = ModelContents(model)
    let plan = try Plan(recipe, for: contents)
    let job = Job(checkpoint, contents, recipe, calibration())
    let workspace = try Workspace(path, job: job.key, resumes: false, overwrite: overwrite)
    let run = CompressionRun(
      model: model, plan: plan, workspace: workspace, compressor: GroupCompressor(plan: plan, pool: pool),
      progress: { _ in })
    try run.compressAll(calibration(), memory: Compression.defaultMemory)
    let partial = folder + "/.part.partial"
    let groups = try FileManager.default.contentsOfDirectory(atPath: partial).filter {
      $0.contains(".group.")
    }
    for file in groups where (Int(file.prefix { $0 != "." }) ?? 0) >= done {
      try FileManager.default.removeItem(atPath: partial + "/" + file)
    }
    try Data("half a file".utf8).write(to: URL(filePath: partial + "/\(done).group.safetensors.unfinished"))
  }
}
