import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTestSupport
import PithTraining
import Testing

struct TrainingRunTests {
  let pool = ThreadPool(threads: 2)

  /// A folder with a text that repeats itself, removed with the value.
  final class Folder {
    let path = FileManager.default.temporaryDirectory.appending(path: "pith-training-\(UUID().uuidString)")
      .path

    init() throws {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let text = (0..<200).map { "line \($0 % 7): the same again\n" }.joined()
      try text.write(toFile: path + "/text.txt", atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The training of a new decoder on the text.
    func recipe(_ shape: String, steps: Int, _ more: String = "") throws -> TrainingRecipe {
      try TrainingRecipe(
        yaml: """
          model: {new: {\(shape)}}
          text: \(path)/text.txt
          window: 16
          batch: 4
          steps: \(steps)
          learning-rate: 1e-2
          warm-up: 5
          evaluate-every: 20
          \(more)
          """)
    }

    /// Images of four pixels, of which the brightest names the class.
    static let images: String = {
      var random = SeededGenerator(seed: 8)
      return (0..<240).map { _ in
        let bright = Int(random.next() % 4)
        return (0..<4).map { $0 == bright ? "\(5 + random.next() % 3)" : "\(random.next() % 4)" }
          .joined(separator: ",") + ",\(bright)\n"
      }.joined()
    }()

    /// The training of a new encoder on images.
    func recipe(_ shape: String, images: String, _ more: String = "") throws -> TrainingRecipe {
      try images.write(toFile: path + "/images.csv", atomically: true, encoding: .utf8)
      return try TrainingRecipe(
        yaml: """
          model: {new: {\(shape)}}
          images: \(path)/images.csv
          held-out: 0.2
          batch: 16
          steps: 400
          learning-rate: 3e-3
          warm-up: 10
          \(more)
          """)
    }
  }

  private func recipe(_ folder: Folder, steps: Int = 40, _ more: String = "") throws -> TrainingRecipe {
    try folder.recipe("layers: 2, width: 16, heads: 2, feed-forward: 24, context: 32", steps: steps, more)
  }

  @Test func aTrainedModelIsAnOrdinaryOne() throws {
    let folder = try Folder()
    let run = try TrainingRun(recipe(folder), output: folder.path + "/model", pool: pool)
    var losses: [Double] = []
    let report = try run.train { losses.append($0.loss) }
    #expect(losses.count == 40 && report.steps == 40)
    #expect(report.heldOut.loss < losses[0] - 1, "\(losses[0]) to \(report.heldOut.loss)")
    let checkpoint = try Checkpoint(path: folder.path + "/model")
    guard case .decoder(let decoder) = try checkpoint.model() else {
      Issue.record("no decoder")
      return
    }
    let tokens = try checkpoint.tokenizer().encode("line 3: the same again\nline")
    #expect(tokens == "line 3: the same again\nline".utf8.map { Int32($0) })
    let windows = try #require(TokenWindows(tokens + tokens, heldOut: 0.5, window: 16))
    #expect(decoder.loss(windows.part(ofStep: 0, windows: 2, seed: 1), pool: pool) < 3)
    let lines = try String(contentsOfFile: folder.path + "/model/steps.jsonl", encoding: .utf8)
    #expect(lines.split(separator: "\n").count == 40)
    #expect(lines.split(separator: "\n").filter { $0.contains("validation_loss") }.count == 2)
    let card = try JSON(
      parsing: String(contentsOfFile: folder.path + "/model/training.json", encoding: .utf8))
    #expect(card["validation_loss"]?.double == report.heldOut.loss)
    #expect(try String(contentsOfFile: folder.path + "/model/loss.svg", encoding: .utf8).hasPrefix("<svg"))
  }

  @Test func theBestModelOnTheWayIsWritten() throws {
    let folder = try Folder()
    var recipe = try recipe(folder, "keep: best")
    (recipe.learningRate, recipe.evaluateEvery, recipe.decay) = (0.2, 1, .constant)
    var losses: [Double] = []
    let report = try TrainingRun(recipe, output: folder.path + "/model", pool: pool).train {
      losses.append($0.heldOut!.loss)
    }
    #expect(report.heldOut.loss == losses.min())
    #expect(report.keptSteps == losses.firstIndex(of: losses.min()!)! + 1 && report.steps == 40)
    let card = try JSON(
      parsing: String(contentsOfFile: folder.path + "/model/training.json", encoding: .utf8))
    #expect(card["kept_step"]?.int ?? 40 == report.keptSteps)
    // From a good model, steps that only make it worse leave it as it is.
    recipe.start = .model(path: folder.path + "/model")
    (recipe.learningRate, recipe.end) = (10, .steps(2))
    let more = try TrainingRun(recipe, output: folder.path + "/more", pool: pool).train()
    #expect(more.keptSteps == 0 && abs(more.heldOut.loss - report.heldOut.loss) < 1e-6)
  }

  private struct Stopped: Error {}

  /// A training that ends by an error after some steps, and is resumed.
  @Test(arguments: ["", "dropout: 0.2\nparts: 2\nrecompute: true", "optimizer: momentum", "keep: best"])
  func aResumedTrainingEndsInTheSameBytes(_ more: String) throws {
    let folder = try Folder()
    let recipe = try recipe(folder, more)
    let whole = folder.path + "/whole"
    _ = try TrainingRun(recipe, output: whole, pool: pool).train()
    let parts = folder.path + "/parts"
    for stop in [13, 27] {
      let run = try TrainingRun(recipe, output: parts, pool: ThreadPool(threads: 1))
      #expect(throws: Stopped.self) {
        try run.train(resume: true, keepEvery: 5) { if $0.step == stop { throw Stopped() } }
      }
      #expect(!FileManager.default.fileExists(atPath: parts))
    }
    _ = try TrainingRun(recipe, output: parts, pool: pool).train(resume: true)
    let files = [whole, parts].map { FileManager.default.contents(atPath: $0 + "/model.safetensors") }
    #expect(files[0] != nil && files[0] == files[1])
    let lines = try String(contentsOfFile: parts + "/steps.jsonl", encoding: .utf8).split(separator: "\n")
    #expect(try lines.map { try JSON(parsing: String($0))["step"]?.int } == Array(1...40))
  }

  @Test func anotherRecipeDoesNotGoOn() throws {
    let folder = try Folder()
    let output = folder.path + "/model"
    let run = try TrainingRun(recipe(folder), output: output, pool: pool)
    #expect(throws: Stopped.self) { try run.train { if $0.step == 3 { throw Stopped() } } }
    // Unfinished work is neither lost nor mixed up.
    #expect(throws: CheckpointError.self) { try run.train() }
    do {
      _ = try TrainingRun(recipe(folder, "seed: 4"), output: output, pool: pool).train(resume: true)
      Issue.record("it went on")
    } catch { #expect("\(error)".contains("another seed"), "\(error)") }
    _ = try run.train(force: true)
    #expect(throws: CheckpointError.self) { try run.train() }
  }

  @Test func aTrainingThatMayReplaceAModelStillMayWhenItGoesOn() throws {
    let folder = try Folder()
    let output = folder.path + "/model"
    _ = try TrainingRun(recipe(folder, steps: 1), output: output, pool: pool).train()
    let run = try TrainingRun(recipe(folder, steps: 6), output: output, pool: pool)
    #expect(throws: CheckpointError.self) { try run.train(resume: true) }
    #expect(throws: Stopped.self) { try run.train(force: true) { if $0.step == 3 { throw Stopped() } } }
    #expect(try run.train(resume: true).steps == 6)
  }

  @Test func aLossThatIsNoNumberEndsTheTrainingWithItsPlace() throws {
    let folder = try Folder()
    var recipe = try recipe(folder, steps: 9)
    (recipe.learningRate, recipe.warmUp) = (1e17, 0)
    do {
      _ = try TrainingRun(recipe, output: folder.path + "/model", pool: pool).train()
      Issue.record("it went on")
    } catch { #expect("\(error)".contains("at step 2, first behind layer 0"), "\(error)") }
    // The last step counts too.
    recipe.end = .steps(1)
    #expect(throws: TrainingError.self) {
      try TrainingRun(recipe, output: folder.path + "/model", pool: pool).train(force: true)
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/model"))
  }

  /// A value of a pixel that only one image has, and that the model it begins with has no number for.
  @Test func whatWasLearnedBeforeALossThatIsNoNumberIsKept() throws {
    let folder = try Folder()
    let shape = "layers: 1, width: 8, heads: 2, feed-forward: 8, context: 5"
    let images = "9,0,0,0,0\n" + Folder.images
    var recipe = try folder.recipe(shape, images: images)
    recipe.end = .steps(1)
    let first = folder.path + "/first"
    _ = try TrainingRun(recipe, output: first, pool: pool).train()
    let file = first + "/model.safetensors"
    var bytes = try #require(FileManager.default.contents(atPath: file))
    let header = Int(bytes[0]) + Int(bytes[1]) << 8
    let tensors = try JSON(parsing: String(decoding: bytes[8..<(8 + header)], as: UTF8.self))
    let table = try #require(tensors["bert.embeddings.word_embeddings.weight"])
    #expect(table["dtype"]?.string == "F32")
    let start: Int = try #require(table["data_offsets"]?.array?.first { _ in true }?.int)
    // Token 0 is that of the class.
    let row = 8 + header + start + 10 * 8 * 4
    bytes.replaceSubrange(row..<(row + 4), with: [0, 0, 0xC0, 0x7F])
    try bytes.write(to: URL(fileURLWithPath: file))

    (recipe.start, recipe.end, recipe.batch) = (.model(path: first), .steps(120), 4)
    let output = folder.path + "/model"
    do {
      _ = try TrainingRun(recipe, output: output, pool: pool).train()
      Issue.record("it went on")
    } catch TrainingError.notFinite(let step, _, let kept) {
      #expect(step > 1 && kept == "\(output)-step-\(step - 1)")
      #expect(!FileManager.default.fileExists(atPath: output))
      let card = try JSON(parsing: String(contentsOfFile: #require(kept) + "/training.json", encoding: .utf8))
      #expect(card["validation_loss"]?.double?.isFinite == true)
      _ = try Checkpoint(path: #require(kept)).model()
    }
  }

  @Test func aScheduleByTimeRisesAndFallsWithoutAJump() {
    let schedule = Schedule(peak: 1, warmUp: 10, steps: .max, decay: .linear)
    let rates = (0..<40).map { schedule.rate(at: $0, share: Float($0) / 40) }
    #expect(zip(rates, rates.dropFirst()).allSatisfy { abs($0 - $1) < 0.11 })
    #expect(rates.max() == rates[9] || rates.max() == rates[10])
  }

  @Test func aModelGoesOnLearning() throws {
    let folder = try Folder()
    _ = try TrainingRun(recipe(folder, steps: 60), output: folder.path + "/first", pool: pool)
      .train()
    var more = try recipe(folder, steps: 1)
    more.start = .model(path: folder.path + "/first")
    more.learningRate = 1e-6
    let before = try JSON(
      parsing: String(contentsOfFile: folder.path + "/first/training.json", encoding: .utf8))
    let report = try TrainingRun(more, output: folder.path + "/second", pool: pool).train()
    #expect(abs(report.heldOut.loss - before["validation_loss"]!.double!) < 1e-3)
  }

  @Test(arguments: [
    ("text: a\nstep: 3", "'step' is no key"), ("text: a\nsteps: 5\ntime: 1m", "'steps' and 'time'"),
    ("text: a\nheld-out: 1.5", "'held-out'"), ("text: a\nbatch: 5\nparts: 2", "'parts'"),
    ("text: a\ntime: soon", "'time'"), ("text: a\noptimizer: best", "'best' is no optimizer"),
    ("steps: 3", "'text', 'labels' or"), ("text: a\nmodel: {new: {width: 10, heads: 4}}", "'width'"),
    ("text: a\nmodel: {new: {depth: 4}}", "'depth'"), ("- a", "mapping"), ("text: [", "YAML"),
    ("text: a\nlearning-rate: -1", "'learning-rate'"), ("text: a\nlabels: b", "different tasks"),
    ("labels: a", "'held-out'"), ("text: a\nsoft: 0.5", "'soft'"),
    ("text: a\nteacher: b\nhidden: 1", "'hidden'"), ("text: a\nteacher: b\ntemperature: 0", "'temperature'"),
    ("text: a\nseed: -7", "'seed'"), ("text: a\nweight-decay: -5", "'weight-decay'"),
    ("text: a\nclipping: 1e300", "'clipping'"), ("text: a\nbatch: 9223372036854775807", "'batch'"),
    ("text: a\nmodel: {new: {heads: 9223372036854775807}}", "'heads'"),
    ("text: a\nmodel: {new: {width: 9223372036854775806}}", "'width'"),
    ("images: a\nmodel: {new: {context: -5}}", "'context'"),
    ("text: a\nteacher: b\nlabel-smoothing: 0.1", "'label-smoothing'"),
    ("text: a\nmembers: {folder: b, member: 3, of: 9223372036854775807}", "'of'"),
    ("text: a\nmodel: {layers-of: b, width: 3}", "'layers-of'"), ("text: a\nwindow: 1000", "'context'"),
  ])
  func aRecipeSaysWhatIsWrong(yaml: String, part: String) {
    do throws(TrainingRecipeError) {
      _ = try TrainingRecipe(yaml: yaml)
      Issue.record("\(yaml) is a recipe")
    } catch { #expect(error.description.contains(part), "\(error)") }
  }

  @Test func aShortTextIsRefused() throws {
    let folder = try Folder()
    try "short".write(toFile: folder.path + "/text.txt", atomically: true, encoding: .utf8)
    #expect(throws: TrainingDataError.self) {
      try TrainingRun(recipe(folder), output: folder.path + "/model", pool: pool)
    }
    try Data([0xFF, 0xFE]).write(to: URL(filePath: folder.path + "/text.txt"))
    #expect(throws: TrainingDataError.self) {
      try TrainingRun(recipe(folder), output: folder.path + "/model", pool: pool)
    }
  }
}
