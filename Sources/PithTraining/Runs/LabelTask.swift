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
  private let teachers: Teachers<Encoder>?
  private let peers: PeerExchange<Encoder>?
  private let configuration: JSONValue
  private let files: [(name: String, bytes: [UInt8])]
  private let pool: ThreadPool

  /// Reads the data, the model and the teacher.
  init(_ recipe: TrainingRecipe, pool: ThreadPool) throws {
    self.recipe = recipe
    self.pool = pool
    let checkpoint = try recipe.start.path.map { try Checkpoint(path: $0) }
    let model = try checkpoint?.model()
    var encoder: Encoder
    var configuration: JSONValue
    let data: Data
    if case .new(let shape) = recipe.start {
      data = try Self.data(recipe, checkpoint, longest: shape.context)
      let vocabulary = model?.vocabularySize ?? max(data.learned.vocabulary, data.heldOut.vocabulary)
      encoder = shape.encoder(vocabulary: vocabulary, seed: recipe.seed)
      configuration = shape.huggingFaceEncoder(vocabulary: vocabulary)
    } else {
      guard let checkpoint, let model, case .encoder(let found) = try recipe.start.cut(model) else {
        throw TrainingDataError(
          "\(recipe.start.path ?? ""): it is no encoder, and only an encoder learns classes.")
      }
      data = try Self.data(recipe, checkpoint, longest: found.configuration.contextLength)
      encoder = found
      configuration = try checkpoint.huggingFaceConfiguration()
    }
    digest = data.digest
    // What is held out of one file may be all that there is of a class.
    let named =
      data.path == data.heldOutPath ? max(data.learned.classes, data.heldOut.classes) : data.learned.classes
    let classes = encoder.classification.map { $0.output.weight.rows } ?? named
    try data.learned.check(classes, named: data.path)
    try data.heldOut.check(classes, named: data.heldOutPath)
    for some in [data.learned, data.heldOut] {
      let longest = some.examples.reduce(0) { max($0, $1.tokens.count) }
      guard some.vocabulary <= encoder.configuration.vocabularySize,
        longest <= encoder.configuration.contextLength
      else {
        throw TrainingDataError(
          "\(data.path): its images have \(longest - 1) pixels of up to \(some.vocabulary - 1) levels, but the model reads \(encoder.configuration.contextLength - 1) of \(encoder.configuration.vocabularySize - 1)."
        )
      }
    }
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
    files = try checkpoint?.companionFiles() ?? []
    heldOut = data.heldOut
    if let own = recipe.distillation?.peers {
      guard let share = data.learned.share(own.member, of: own.count) else {
        throw TrainingDataError(
          "\(data.path): it has fewer lines than there are members, \(own.count): give more.")
      }
      learned = share
    } else {
      learned = data.learned
    }
    let student = encoder
    (teachers, peers) = try recipe.teaching(student) { path, model in
      guard case .encoder(let teacher) = model,
        teacher.configuration.vocabularySize == student.configuration.vocabularySize,
        let head = teacher.classification, head.output.weight.rows == classes
      else {
        throw TrainingDataError(
          "\(path): it is no encoder of the student's vocabulary with a head of \(classes) classes.")
      }
      if let hidden = recipe.distillation?.hidden, hidden > 0 {
        guard teacher.configuration.width == student.configuration.width,
          teacher.layers.count % student.layers.count == 0
        else {
          throw TrainingDataError(
            "\(path): its states are compared with the student's layer by layer, for which the widths must agree and its layers be a multiple: set 'hidden' to 0."
          )
        }
      }
      return teacher
    }
    parameters = Parameters(encoder, compression: recipe.compression, on: pool)
  }

  var summary: String {
    "\(learned.examples.count) examples to learn from, \(heldOut.examples.count) held out"
  }

  /// What is learned from, and what is held out.
  private struct Data {
    let learned, heldOut: LabelledTexts
    let path, heldOutPath: String
    let digest: String
  }

  /// Reads texts, with the tokenizer of the model, or images.
  private static func data(
    _ recipe: TrainingRecipe, _ checkpoint: Checkpoint?, longest most: Int
  ) throws -> Data {
    switch recipe.data {
    case .labels(let path, let heldOutPath):
      let tokenizer = try checkpoint!.tokenizer()
      let ((text, digest), (heldOutText, heldOutDigest)) = (
        try DataFile.text(path), try DataFile.text(heldOutPath)
      )
      return Data(
        learned: try LabelledTexts(text, named: path, tokenizer, longest: most),
        heldOut: try LabelledTexts(heldOutText, named: heldOutPath, tokenizer, longest: most), path: path,
        heldOutPath: heldOutPath, digest: digest + " " + heldOutDigest)
    case .images(let path, let share):
      let (text, digest) = try DataFile.text(path)
      guard let (learned, heldOut) = try LabelledTexts(images: text, named: path).split(heldOut: share) else {
        throw TrainingDataError("\(path): it has too few images to hold some out.")
      }
      return Data(learned: learned, heldOut: heldOut, path: path, heldOutPath: path, digest: digest)
    case .text: preconditionFailure("a text has no classes")
    }
  }

  func parts(ofStep step: Int) -> [LabelledTexts.Part] {
    let size = recipe.batch / recipe.parts
    return (0..<recipe.parts).map { part in
      learned.part(ofStep: step * recipe.parts + part, texts: size, seed: recipe.seed)
    }
  }

  func batch(of part: LabelledTexts.Part) -> Batch { part.batch }

  func loss(of part: LabelledTexts.Part, _ run: inout Differentiation, weight: Float) -> Double {
    guard let distillation = recipe.distillation,
      let teachers = peers.map({ Teachers(models: $0.models) }) ?? teachers,
      !teachers.models.isEmpty
    else {
      let logits = encoder.classLogits(states(part, &run), of: part.batch, &run)!
      return run.crossEntropy(
        logits, targets: part.targets, smoothing: recipe.labelSmoothing, weight: weight)
    }
    var inference = Inference(part.batch, pool: pool)
    var apart = 0.0
    let states: Variable
    let taught: [Matrix]
    if distillation.hidden > 0 {
      let beside = statesBeside(teachers.models[0], part, &run, &inference, weight: weight)
      (states, apart) = (beside.states, beside.distance)
      taught = [teachers.models[0].classLogits(beside.taught, of: part.batch, &inference)!]
    } else {
      states = self.states(part, &run)
      taught = teachers.states(of: part.batch, seed: recipe.seed, on: pool).map {
        $0.model.classLogits($0.states, of: part.batch, &inference)!
      }
    }
    return apart
      + run.divergence(
        encoder.classLogits(states, of: part.batch, &run)!,
        from: Teachers<Encoder>.mean(of: taught, temperature: distillation.temperature, on: pool),
        targets: part.targets, temperature: distillation.temperature, soft: distillation.soft, weight: weight)
  }

  private func states(_ part: LabelledTexts.Part, _ run: inout Differentiation) -> Variable {
    recipe.recompute ? encoder.states(part.batch, recomputing: &run) : encoder.states(part.batch, &run)
  }

  /// The student's states, the teacher's, and how far they point from each other after each of the student's layers.
  private func statesBeside(
    _ teacher: Encoder, _ part: LabelledTexts.Part, _ run: inout Differentiation,
    _ inference: inout Inference, weight: Float
  ) -> (states: Variable, taught: Matrix, distance: Double) {
    let pace = teacher.layers.count / encoder.layers.count
    let share = recipe.distillation!.hidden / Float(encoder.layers.count)
    var taught = teacher.embedded(part.batch, &inference)
    var x = encoder.embedded(part.batch, &run)
    var distance = 0.0
    for index in encoder.layers.indices {
      x = encoder.advance(x, through: index..<(index + 1), &run)
      taught = teacher.advance(taught, through: (index * pace)..<((index + 1) * pace), &inference)
      distance += Double(share) * run.cosineDistance(x, to: taught, weight: share * weight)
    }
    return (x, taught, distance)
  }

  func exchange(afterSteps steps: Int) throws {
    try peers?.exchange(parameters, afterSteps: steps, on: pool)
  }

  func measure() -> HeldOutQuality {
    let now = parameters.applied(to: encoder, on: pool)
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
    let count = Double(heldOut.examples.count)
    return HeldOutQuality(loss: sum / count, accuracy: Double(right) / count)
  }

  var current: Model { .encoder(parameters.applied(to: encoder, on: pool)) }

  func model() -> TrainedModel {
    let model = recipe.takesAway ? current.withoutUnused() : current
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
