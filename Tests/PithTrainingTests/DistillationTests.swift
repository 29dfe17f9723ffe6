import CPithKernels
import Foundation
import PithCheckpoints
import PithModels
import PithTensors
import PithTestSupport
import Testing

@testable import PithTraining

/// What a teacher makes of the data, and texts with classes.
struct DistillationTests {
  let pool = ThreadPool(threads: 2)

  private func decoder(_ name: String) throws -> Decoder {
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/\(name)")).model() else {
      throw CocoaError(.fileReadCorruptFile)
    }
    return decoder
  }

  private func encoder() throws -> Encoder {
    guard case .encoder(let encoder) = try Checkpoint(path: Fixtures.path("models/bert-classifier")).model()
    else { throw CocoaError(.fileReadCorruptFile) }
    return encoder
  }

  /// The loss and its gradient against central differences in double precision.
  @Test func divergenceAndItsGradient() {
    var random = SeededGenerator(seed: 5)
    let student = (0..<33).map { _ in 4 * random.uniform() - 2 }
    let teacher = (0..<33).map { _ in 6 * random.uniform() - 3 }
    func loss(_ student: [Double], _ temperature: Double, _ soft: Double) -> Double {
      func logs(_ x: [Double]) -> [Double] {
        let sum = log(x.reduce(0) { $0 + exp($1) })
        return x.map { $0 - sum }
      }
      let (t, s) = (logs(teacher.map { Double($0) / temperature }), logs(student.map { $0 / temperature }))
      let divergence = zip(t, s).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
      return soft * temperature * temperature * divergence - (1 - soft) * logs(student)[7]
    }
    for (temperature, soft) in [(1, 1), (2, 0.5), (4, 0.9), (1.5, 0)] as [(Float, Float)] {
      var (gradient, taught) = (student, teacher)
      let found = pith_distillation(&gradient, &taught, 33, 7, temperature, soft, 0.5)
      let values = student.map(Double.init)
      #expect(abs(Double(found) - loss(values, Double(temperature), Double(soft))) < 1e-5)
      for index in values.indices {
        let sides = [1e-4, -1e-4].map { step in
          var changed = values
          changed[index] += step
          return loss(changed, Double(temperature), Double(soft))
        }
        #expect(abs(Double(gradient[index]) - 0.5 * (sides[0] - sides[1]) / 2e-4) < 1e-5)
      }
    }
  }

  /// Behind a head piece by piece, and from whole logits, it is the same.
  @Test func divergenceBehindAHeadIsThatOfItsLogits() throws {
    let (student, teacher) = (try decoder("llama"), try decoder("llama-relu-f16"))
    let tokens = (0..<300).map { Int32($0 * 7 % 61) }
    let batch = Batch(
      (0..<6).map { (sequence: $0, position: 0, tokens: Array(tokens[($0 * 50)..<($0 * 50 + 50)])) })
    let targets = tokens.map { ($0 + 1) % 61 }
    var inference = Inference(batch, pool: pool)
    let taught = teacher.states(batch.tokens, &inference)
    func gradients(_ body: (inout Differentiation) -> Double) -> (Double, [Matrix]) {
      let parameters = Parameters(student)
      var run = Differentiation(batch, parameters, pool: pool)
      let loss = body(&run)
      run.runBack()
      return (loss, parameters.list.map(\.gradient))
    }
    let (loss, found) = gradients { run in
      run.divergence(
        student.states(batch.tokens, &run), behind: student.head,
        from: { teacher.logits(inference.select(taught, rows: $0), &inference) }, targets: targets,
        temperature: 2, soft: 0.7)
    }
    let (expectedLoss, expected) = gradients { run in
      run.divergence(
        student.logits(student.states(batch.tokens, &run), &run), from: teacher.logits(taught, &inference),
        targets: targets, temperature: 2, soft: 0.7)
    }
    #expect(abs(loss - expectedLoss) < 1e-5 && loss > 0)
    for (a, b) in zip(found, expected) {
      let size = b.values.reduce(1e-4) { max($0, abs($1)) }
      #expect(zip(a.values, b.values).allSatisfy { abs($0 - $1) <= 1e-4 * size })
    }
  }

  @Test func cosineDistanceAndItsGradient() throws {
    let encoder = try encoder()
    let batch = Batch([(sequence: 0, position: 0, tokens: [3, 9, 27, 4])])
    var random = SeededGenerator(seed: 2)
    let width = encoder.configuration.width
    let target = Matrix(rows: 4, columns: width, values: (0..<(4 * width)).map { _ in random.normal() })
    let parameters = Parameters(encoder)
    var run = Differentiation(batch, parameters, pool: pool)
    let found = run.cosineDistance(encoder.states(batch, &run), to: target)
    run.runBack()
    func loss(_ changed: [ParameterName: [Double]]) -> Double {
      var run = DoublePrecision(batch: batch, parameters: changed)
      let states = encoder.states(batch, &run)
      return (0..<4).reduce(0) { sum, row in
        let s = (0..<width).map { states[row, $0] }
        let t = (0..<width).map { Double(target[row, $0]) }
        let lengths = [s, t].map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return sum + (1 - zip(s, t).reduce(0) { $0 + $1.0 * $1.1 } / lengths[0] / lengths[1]) / 4
      }
    }
    #expect(abs(found - loss([:])) < 1e-5)
    for parameter in parameters.list where parameter.gradient.values.contains(where: { abs($0) > 1e-3 }) {
      let values = parameter.value.values.map(Double.init)
      let peak = parameter.gradient.values.indices.max { a, b in
        abs(parameter.gradient.values[a]) < abs(parameter.gradient.values[b])
      }!
      let sides = [1e-4, -1e-4].map { step in
        var changed = values
        changed[peak] += step
        return loss([parameter.name: changed])
      }
      let expected = (sides[0] - sides[1]) / 2e-4
      #expect(abs(Double(parameter.gradient.values[peak]) - expected) < 1e-4 * abs(expected) + 1e-7)
    }
  }

  // MARK: - Runs

  /// A folder with an encoder of random weights, its tokenizer, and texts whose class one word tells.
  private func folder() throws -> TrainingRunTests.Folder {
    let folder = try TrainingRunTests.Folder()
    let model = folder.path + "/encoder"
    try FileManager.default.copyItem(atPath: Fixtures.path("models/bert"), toPath: model)
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "a", "the", "was", "plot", "so"]
    let vocabulary = words.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    let tokenizer = """
      {"version": "1.0", "added_tokens": [], "normalizer": {"type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
       "pre_tokenizer": {"type": "BertPreTokenizer"},
       "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
       "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
       "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {\(vocabulary)}}}
      """
    try tokenizer.write(toFile: model + "/tokenizer.json", atomically: true, encoding: .utf8)
    var random = SeededGenerator(seed: 4)
    func lines(_ count: Int) -> String {
      "sentence\tlabel\n"
        + (0..<count).map { _ in
          let isGood = random.next() % 2 == 0
          let others = (0..<Int(1 + random.next() % 6)).map { _ in words[6 + Int(random.next() % 6)] }
          return (others + [isGood ? "good" : "bad"] + others.reversed()).joined(separator: " ")
            + "\t\(isGood ? 1 : 0)\n"
        }.joined()
    }
    try lines(200).write(toFile: folder.path + "/train.tsv", atomically: true, encoding: .utf8)
    try lines(40).write(toFile: folder.path + "/dev.tsv", atomically: true, encoding: .utf8)
    return folder
  }

  private func recipe(_ folder: TrainingRunTests.Folder, model: String, _ more: String = "") throws
    -> TrainingRecipe
  {
    try TrainingRecipe(
      yaml: """
        model: \(model)
        labels: \(folder.path)/train.tsv
        held-out: \(folder.path)/dev.tsv
        batch: 8
        steps: 60
        learning-rate: 3e-3
        warm-up: 5
        evaluate-every: 30
        \(more)
        """)
  }

  @Test func anEncoderLearnsClassesAndAStudentFollowsIt() throws {
    let folder = try folder()
    let teacher = folder.path + "/teacher"
    let report = try TrainingRun(
      recipe(folder, model: folder.path + "/encoder"), output: teacher, pool: pool
    ).train()
    let accuracy = try #require(report.heldOut.accuracy)
    #expect(accuracy > 0.9, "\(accuracy)")
    let distilled = try TrainingRun(
      recipe(
        folder, model: "{layers-of: \(teacher), every: 2}",
        "teacher: \(teacher)\ntemperature: 2\nsoft: 0.7\nhidden: 1\nparts: 2"),
      output: folder.path + "/student", pool: pool
    ).train()
    #expect(try #require(distilled.heldOut.accuracy) > 0.9)
    guard case .encoder(let student) = try Checkpoint(path: folder.path + "/student").model() else {
      Issue.record("no encoder")
      return
    }
    #expect(student.layers.count == 1 && student.classification != nil)
  }

  @Test func pairsOfTextsHaveASegmentEach() throws {
    let folder = try folder()
    // The class says whether both texts have the same word.
    func lines(_ count: Int) -> String {
      "first\tsecond\tlabel\n"
        + (0..<count).map {
          ["good\tgood\t1\n", "bad\tgood\t0\n", "good\tbad\t0\n", "bad\tbad\t1\n"][$0 % 4]
        }.joined()
    }
    try lines(80).write(toFile: folder.path + "/train.tsv", atomically: true, encoding: .utf8)
    try lines(8).write(toFile: folder.path + "/dev.tsv", atomically: true, encoding: .utf8)
    let tokenizer = try Checkpoint(path: folder.path + "/encoder").tokenizer()
    let texts = try LabelledTexts(lines(4), named: "pairs", tokenizer, longest: 4)
    #expect(texts.examples.map(\.label) == [1, 0, 0, 1] && texts.classes == 2)
    #expect(texts.examples[1].tokens == [2, 5, 3, 3] && texts.examples[1].segments == [0, 0, 0, 1])
    let report = try TrainingRun(
      recipe(folder, model: folder.path + "/encoder"), output: folder.path + "/pairs", pool: pool
    ).train()
    #expect(report.heldOut.accuracy == 1)
    try "a\tb\tlabel\ngood\tbad\t1\ngood\t1\n".write(
      toFile: folder.path + "/train.tsv", atomically: true, encoding: .utf8)
    #expect(throws: TrainingDataError.self) {
      try TrainingRun(recipe(folder, model: folder.path + "/encoder"), output: folder.path + "/x", pool: pool)
    }
  }

  @Test func aNewEncoderLearnsImages() throws {
    let folder = try TrainingRunTests.Folder()
    let lines = TrainingRunTests.Folder.images
    func recipe(_ text: String, _ more: String = "") throws -> TrainingRecipe {
      try folder.recipe(
        "layers: 1, width: 32, heads: 2, feed-forward: 64, context: 5", images: text, more)
    }
    let output = folder.path + "/images"
    let report = try TrainingRun(recipe(lines), output: output, pool: pool).train()
    #expect(try #require(report.heldOut.accuracy) > 0.9)
    guard case .encoder(let encoder) = try Checkpoint(path: output).model() else {
      Issue.record("no encoder")
      return
    }
    #expect(encoder.classification?.output.weight.rows == 4 && encoder.configuration.vocabularySize == 9)
    for wrong in ["", "1,2,x,3\n", "1,2,0\n1,2,3,0\n", "1\n", "-1,2,0\n"] {
      #expect(throws: TrainingDataError.self, "\(wrong)") {
        try TrainingRun(recipe(wrong), output: folder.path + "/wrong", pool: pool)
      }
    }
    // More pixels than the model reads.
    #expect(throws: TrainingDataError.self) {
      try TrainingRun(
        recipe("1,2,3,4,5,0\n1,2,3,4,5,1\n1,2,3,4,5,1\n"), output: folder.path + "/wide", pool: pool)
    }
  }

  @Test func whatDoesNotFitTogetherIsNamed() throws {
    let folder = try folder()
    func fault(_ model: String, _ more: String = "") -> String {
      do {
        _ = try TrainingRun(recipe(folder, model: model, more), output: folder.path + "/out", pool: pool)
        return ""
      } catch { return "\(error)" }
    }
    #expect(fault(Fixtures.path("models/llama")).contains("no encoder"))
    #expect(fault(folder.path + "/encoder", "teacher: \(folder.path)/encoder").contains("head of 2 classes"))
    #expect(fault("{layers-of: \(folder.path)/encoder, every: 9}").contains("'every'"))
    #expect(fault(folder.path + "/nowhere").contains("nowhere"))
    try "sentence\tlabel\ngood\tone\n".write(
      toFile: folder.path + "/train.tsv", atomically: true, encoding: .utf8)
    #expect(fault(folder.path + "/encoder").contains("line 2"))
    try "sentence\tlabel\ngood\t0\n".write(
      toFile: folder.path + "/train.tsv", atomically: true, encoding: .utf8)
    #expect(fault(folder.path + "/encoder").contains("class 1 is out of range"))
  }
}
