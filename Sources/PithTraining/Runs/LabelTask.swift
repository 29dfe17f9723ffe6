import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTokenizers
import PithWeights

/// An encoder learns the classes of texts, perhaps also what a teacher makes of them.
struct LabelTask: TrainingTask {
  let recipe: TrainingRecipe
  let encoder: Encoder
  let parameters: Parameters
  let digest: String
  private let learned: LabelledTexts
  private let heldOut: LabelledTexts
  private let teacher: Encoder?
  private let configuration: JSONValue
  private let files: [(name: String, bytes: [UInt8])]
  private let pool: ThreadPool

  /// Reads the model, the teacher and the texts.
  init(_ recipe: TrainingRecipe, labels path: String, heldOut heldOutPath: String, pool: ThreadPool) throws {
    self.recipe = recipe
    self.pool = pool
    guard let modelPath = recipe.start.path else {
      throw TrainingDataError("Classes are learned by an encoder that is there: name its path as 'model'.")
    }
    let checkpoint = try Checkpoint(path: modelPath)
    guard case .encoder(var encoder) = try recipe.start.cut(try checkpoint.model()) else {
      throw TrainingDataError("\(modelPath): it is no encoder, and only an encoder learns classes.")
    }
    let tokenizer = try checkpoint.tokenizer()
    let most = encoder.configuration.contextLength
    let (text, digest) = try DataFile.text(path)
    let (heldOutText, heldOutDigest) = try DataFile.text(heldOutPath)
    self.digest = digest + " " + heldOutDigest
    learned = try LabelledTexts(text, named: path, tokenizer, longest: most)
    let classes = encoder.classification.map { $0.output.weight.rows } ?? Int(learned.labels.max()! + 1)
    heldOut = try LabelledTexts(heldOutText, named: heldOutPath, tokenizer, longest: most)
    try learned.check(classes, named: path)
    try heldOut.check(classes, named: heldOutPath)
    var configuration = try checkpoint.huggingFaceConfiguration()
    if encoder.classification == nil {
      encoder = encoder.classifying(classes, seed: recipe.seed)
      let isBERT = encoder.configuration.family == .bert
      configuration["architectures"] = [
        .string(isBERT ? "BertForSequenceClassification" : "DistilBertForSequenceClassification")
      ]
      configuration["id2label"] = .object((0..<classes).map { .init("\($0)", .string("LABEL_\($0)")) })
      configuration["label2id"] = .object((0..<classes).map { .init("LABEL_\($0)", .int($0)) })
    }
    self.encoder = encoder
    self.configuration = configuration
    files = try checkpoint.companionFiles()
    teacher = try recipe.distillation.map { distillation in
      guard case .encoder(let teacher) = try Checkpoint(path: distillation.teacher).model(),
        teacher.configuration.vocabularySize == encoder.configuration.vocabularySize,
        let head = teacher.classification, head.output.weight.rows == classes
      else {
        throw TrainingDataError(
          "\(distillation.teacher): it is no encoder of the student's vocabulary with a head of \(classes) classes."
        )
      }
      if distillation.hidden > 0 {
        guard teacher.configuration.width == encoder.configuration.width,
          teacher.layers.count % encoder.layers.count == 0
        else {
          throw TrainingDataError(
            "\(distillation.teacher): its states are compared with the student's layer by layer, for which the widths must agree and its layers be a multiple: set 'hidden' to 0."
          )
        }
      }
      return teacher
    }
    parameters = Parameters(encoder, on: pool)
  }

  var summary: String { "\(learned.labels.count) texts to learn from, \(heldOut.labels.count) held out" }

  func parts(ofStep step: Int) -> [LabelledTexts.Part] {
    let size = recipe.batch / recipe.parts
    return (0..<recipe.parts).map { part in
      learned.part(ofStep: step * recipe.parts + part, texts: size, seed: recipe.seed)
    }
  }

  func batch(of part: LabelledTexts.Part) -> Batch { part.batch }

  func loss(of part: LabelledTexts.Part, _ run: inout Differentiation, weight: Float) -> Double {
    guard let teacher, let distillation = recipe.distillation else {
      let states =
        recipe.recompute ? encoder.states(part.batch, recomputing: &run) : encoder.states(part.batch, &run)
      let logits = encoder.classLogits(states, of: part.batch, &run)!
      return run.crossEntropy(
        logits, targets: part.targets, smoothing: recipe.labelSmoothing, weight: weight)
    }
    var inference = Inference(part.batch, pool: pool)
    let pace = teacher.layers.count / encoder.layers.count
    var taught = teacher.embedded(part.batch, &inference)
    var x = encoder.embedded(part.batch, &run)
    var apart = 0.0
    for index in encoder.layers.indices {
      x = encoder.advance(x, through: index..<(index + 1), &run)
      let reached = distillation.hidden > 0 || index + 1 == encoder.layers.count
      if reached {
        let end = distillation.hidden > 0 ? (index + 1) * pace : teacher.layers.count
        let start = distillation.hidden > 0 ? index * pace : 0
        taught = teacher.advance(taught, through: start..<end, &inference)
      }
      if distillation.hidden > 0 {
        let share = distillation.hidden / Float(encoder.layers.count)
        apart += Double(share) * run.cosineDistance(x, to: taught, weight: share * weight)
      }
    }
    let logits = encoder.classLogits(x, of: part.batch, &run)!
    let taughtLogits = teacher.classLogits(taught, of: part.batch, &inference)!
    return apart
      + run.divergence(
        logits, from: taughtLogits, targets: part.targets, temperature: distillation.temperature,
        soft: distillation.soft, weight: weight)
  }

  func measure() -> HeldOutQuality {
    let now = parameters.applied(to: encoder)
    var (sum, right) = (0.0, 0)
    for part in heldOut.allParts(texts: 64) {
      var run = Inference(part.batch, pool: pool)
      let logits = now.classLogits(now.states(part.batch, &run), of: part.batch, &run)!
      for (row, target) in part.targets.enumerated() {
        let scores = Array(logits[row: row])
        sum += Double(logSumExp(scores) - scores[Int(target)])
        if scores.indices.max(by: { scores[$0] < scores[$1] }) == Int(target) { right += 1 }
      }
    }
    let count = Double(heldOut.labels.count)
    return HeldOutQuality(loss: sum / count, accuracy: Double(right) / count)
  }

  func model() -> (model: Model, configuration: JSONValue, files: [(name: String, bytes: [UInt8])]) {
    let model = Model.encoder(parameters.applied(to: encoder))
    return (model, configuration.describing(model), files)
  }
}

extension Encoder {
  /// The encoder with a classification head of random weights, normal ones with a deviation of 0.02.
  func classifying(_ classes: Int, seed: UInt64) -> Encoder {
    var generator = SeededGenerator(seed: seed)
    func map(_ role: Place.Role, _ rows: Int) -> Linear {
      let values = (0..<(rows * configuration.width)).map { _ in 0.02 * generator.normal() }
      return Linear(
        .dense(Dense(Matrix(rows: rows, columns: configuration.width, values: values))),
        bias: [Float](repeating: 0, count: rows), at: Place(role))
    }
    var result = self
    result.classification = ClassificationHead(
      hidden: map(.pooler, configuration.width),
      activation: configuration.family == .bert ? .tanh : .relu, output: map(.classifier, classes))
    return result
  }
}
