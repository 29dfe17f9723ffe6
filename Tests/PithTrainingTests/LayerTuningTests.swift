import Foundation
import PithCheckpoints
import PithCompression
import PithModels
import PithTensors
import PithTestSupport
import Testing

@testable import PithTraining

/// Layers of a quantized model that learn to give what the original's give.
struct LayerTuningTests {
  let pool = ThreadPool(threads: 2)
  let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path

  private struct Stopped: Error {}

  /// A small model in 2 bits, its original, and a text.
  private func prepare() throws -> (small: String, original: String, text: String) {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let (small, original, text) = (folder + "/small", Fixtures.path("models/llama"), folder + "/text.txt")
    _ = try Compression(
      Recipe(yaml: "embedding-bits: 0\nsteps: [{method: rtn, bits: 2, group-size: 16}]"), calibration: nil
    ).run(Checkpoint(path: original), to: small, .init(measures: false), on: pool)
    let words = ["the", "of", "a", "river", "stone", "runs", "old", "and", "light", "far"]
    let entries = (["[UNK]"] + words).enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    let tokenizer = """
      {"version": "1.0", "added_tokens": [], "normalizer": null,
       "pre_tokenizer": {"type": "BertPreTokenizer"},
       "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                 "max_input_chars_per_word": 100, "vocab": {\(entries)}}}
      """
    try tokenizer.write(toFile: small + "/tokenizer.json", atomically: true, encoding: .utf8)
    var generator = SeededGenerator(seed: 3)
    let some = (0..<1500).map { _ in words[Int(generator.next() % UInt64(words.count))] }
    try some.joined(separator: " ").write(toFile: text, atomically: true, encoding: .utf8)
    return (small, original, text)
  }

  private func recipe(_ paths: (small: String, original: String, text: String), steps: Int) throws
    -> TrainingRecipe
  {
    try TrainingRecipe(
      yaml: """
        model: \(paths.small)
        teacher: \(paths.original)
        text: \(paths.text)
        by-layer: true
        window: 16
        batch: 4
        steps: \(steps)
        learning-rate: 1e-3
        """)
  }

  /// What was measured in training is what the packed file has.
  @Test func thePackedFileIsAsGoodAsTheModelInTraining() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let paths = try prepare()
    var recipe = try recipe(paths, steps: 30)
    recipe.distillation?.byLayer = false
    recipe.distillation?.soft = 1
    recipe.distillation?.temperature = 1
    (recipe.keep, recipe.evaluateEvery) = (.best, 10)
    let report = try TrainingRun(recipe, output: folder + "/tuned", pool: pool).train()
    guard case .decoder(let tuned) = try Checkpoint(path: folder + "/tuned").model() else {
      Issue.record("no decoder")
      return
    }
    #expect(tuned.maps.contains { $0.weight.isPacked })
    let task = try TextTask(recipe, text: paths.text, heldOut: 0.1, pool: pool)
    let measured = try #require(task.measure(tuned).divergence)
    let before = try #require(task.measure().divergence)
    let inTraining = try #require(report.heldOut.divergence)
    #expect(abs(measured - inTraining) < 1e-3 * inTraining, "\(measured) and \(inTraining)")
    #expect(measured < 0.9 * before, "\(before) before")
  }

  @Test func eachLayerComesNearerToTheOriginals() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let paths = try prepare()
    let task = try TextTask(recipe(paths, steps: 60), text: paths.text, heldOut: 0.1, pool: pool)
    var tuning = task.layerTuning()
    while let layer = try tuning.next(until: .steps(60)) {
      #expect(layer.after < 0.9 * layer.before, "\(layer)")
    }
    // What was packed is packed in the same way.
    let summaries = [task.decoder, tuning.student].map { $0.maps.map(\.weight.summary) }
    #expect(summaries[0] == summaries[1])
    let (before, after) = (task.measure(task.decoder).loss, task.measure(tuning.student).loss)
    #expect(before.isFinite && after.isFinite)
  }

  @Test func whatWasStoppedEndsInTheSameBytes() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let recipe = try recipe(prepare(), steps: 5)
    let (whole, parts) = (folder + "/whole", folder + "/parts")
    let report = try TrainingRun(recipe, output: whole, pool: pool).train()
    #expect(report.steps == 10)
    let run = try TrainingRun(recipe, output: parts, pool: ThreadPool(threads: 1))
    #expect(throws: Stopped.self) { try run.train { if $0.step == 7 { throw Stopped() } } }
    var first: Int?
    _ = try TrainingRun(recipe, output: parts, pool: pool).train(resume: true) { first = first ?? $0.step }
    #expect(first == 6)
    for name in ["model.safetensors", "steps.jsonl"] {
      let files = [whole, parts].map { FileManager.default.contents(atPath: "\($0)/\(name)") }
      #expect(files[0] != nil)
      if name == "model.safetensors" { #expect(files[0] == files[1]) }
    }
    guard case .decoder(let trained) = try Checkpoint(path: whole).model() else {
      Issue.record("no decoder")
      return
    }
    #expect(trained.maps.contains { $0.weight.isPacked })
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder).allSatisfy { !$0.hasSuffix(".training") })
  }

  /// All of a packed model, with what is nearest to the teacher.
  @Test func theWholeThatWasStoppedEndsInTheSameBytes() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var recipe = try recipe(prepare(), steps: 8)
    recipe.distillation?.byLayer = false
    (recipe.keep, recipe.evaluateEvery) = (.best, 3)
    let (whole, parts) = (folder + "/whole", folder + "/parts")
    _ = try TrainingRun(recipe, output: whole, pool: pool).train()
    let run = try TrainingRun(recipe, output: parts, pool: ThreadPool(threads: 1))
    #expect(throws: Stopped.self) { try run.train(keepEvery: 1) { if $0.step == 5 { throw Stopped() } } }
    _ = try TrainingRun(recipe, output: parts, pool: pool).train(resume: true)
    let files = [whole, parts].map { FileManager.default.contents(atPath: "\($0)/model.safetensors") }
    #expect(files[0] != nil && files[0] == files[1])
  }

  @Test func aLayerWhoseLossIsNoNumberStaysAsItWas() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let paths = try prepare()
    var recipe = try recipe(paths, steps: 3)
    recipe.learningRate = 1e38
    let report = try TrainingRun(recipe, output: folder + "/tuned", pool: pool).train()
    let note = try #require(report.notes.first)
    #expect(note.contains("layers 0, 1") && note.contains("no longer a number"), "\(report.notes)")
    let weights = try [paths.small, folder + "/tuned"].map { path -> [Matrix] in
      guard case .decoder(let decoder) = try Checkpoint(path: path).model() else { return [] }
      return decoder.maps.map { $0.weight.decoded() }
    }
    #expect(!weights[0].isEmpty && weights[0] == weights[1])
  }

  /// What is left for learning when the text was read is shared evenly.
  @Test func everyLayerLearnsInATime() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var recipe = try recipe(prepare(), steps: 1)
    recipe.end = .seconds(4)
    var steps: [Int] = []
    let report = try TrainingRun(recipe, output: folder + "/tuned", pool: pool).train { progress in
      let layer = min(Int(progress.share * 2), 1)
      while steps.count <= layer { steps.append(0) }
      steps[layer] += 1
    }
    #expect(report.notes.isEmpty && steps.count == 2 && report.steps == steps.reduce(0, +))
    #expect(steps.min()! * 4 > steps.max()!, "\(steps)")
  }

  /// In a time that is over before it begins, whichever way it is spent.
  @Test(arguments: [true, false]) func noTimeIsSaid(byLayer: Bool) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var recipe = try recipe(prepare(), steps: 1)
    recipe.distillation?.byLayer = byLayer
    recipe.end = .seconds(1e-9)
    #expect(throws: TrainingError.noTime) {
      try TrainingRun(recipe, output: folder + "/tuned", pool: pool).train()
    }
    #expect(!FileManager.default.fileExists(atPath: folder + "/tuned"))
  }

  @Test func whatDoesNotFitIsSaidInOneSentence() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let paths = try prepare()
    var other = try recipe(paths, steps: 1)
    other.start = .layers(of: paths.small, every: 2)
    #expect(throws: TrainingDataError.self) { try TrainingRun(other, output: folder + "/out", pool: pool) }
    var plain = try recipe(paths, steps: 1)
    plain.start = .model(path: folder + "/plain")
    try FileManager.default.copyItem(atPath: paths.original, toPath: folder + "/plain")
    try FileManager.default.copyItem(
      atPath: paths.small + "/tokenizer.json", toPath: folder + "/plain/tokenizer.json")
    let error = #expect(throws: TrainingDataError.self) {
      try TrainingRun(plain, output: folder + "/out", pool: pool)
    }
    #expect(error?.description.contains("compress it first") == true)
    for line in ["by-layer: 3", "by-layer: true\nteacher-dropout: 0.1"] {
      #expect(throws: TrainingRecipeError.self) {
        try TrainingRecipe(yaml: "text: a.txt\nteacher: b\n\(line)")
      }
    }
    #expect(throws: TrainingRecipeError.self) { try TrainingRecipe(yaml: "text: a.txt\nby-layer: true") }
  }
}
