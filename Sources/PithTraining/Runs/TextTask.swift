import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTokenizers

/// A decoder learns a text, perhaps also what a teacher makes of it.
struct TextTask: TrainingTask {
  let recipe: TrainingRecipe
  let decoder: Decoder
  let parameters: Parameters
  let digest: String
  private let windows: TokenWindows
  private let teachers: Teachers<Decoder>?
  private let peers: PeerExchange<Decoder>?
  private let configuration: JSONValue
  private let files: [(name: String, bytes: [UInt8])]
  private let pool: ThreadPool

  /// Reads the model, the teacher and the text.
  init(_ recipe: TrainingRecipe, text path: String, heldOut: Double, pool: ThreadPool) throws {
    self.recipe = recipe
    self.pool = pool
    let (text, digest) = try DataFile.text(path)
    self.digest = digest
    let tokens: [Int32]
    switch recipe.start {
    case .new(let shape):
      let vocabulary: Int
      if let path = shape.vocabularyOf {
        let checkpoint = try Checkpoint(path: path)
        let tokenizer = try checkpoint.tokenizer()
        (vocabulary, tokens) = (try checkpoint.model().vocabularySize, tokenizer.encode(text))
        files = try checkpoint.companionFiles()
      } else {
        (vocabulary, tokens) = (ByteTokenizer.count, text.utf8.map { Int32($0) })
        files = [("tokenizer.json", ByteTokenizer.json.serialized(.pretty))]
      }
      decoder = shape.decoder(vocabulary: vocabulary, seed: recipe.seed)
      configuration = shape.huggingFace(vocabulary: vocabulary)
    case .model(let path), .layers(of: let path, _):
      let checkpoint = try Checkpoint(path: path)
      guard case .decoder(let decoder) = try recipe.start.cut(try checkpoint.model()) else {
        throw TrainingDataError("\(path): it is no decoder, and only a decoder learns a text.")
      }
      self.decoder = decoder
      tokens = try checkpoint.tokenizer().encode(text)
      configuration = try checkpoint.huggingFaceConfiguration()
      files = try checkpoint.companionFiles()
    }
    let vocabulary = decoder.configuration.vocabularySize
    (teachers, peers) = try recipe.teaching(decoder) { path, model in
      guard case .decoder(let teacher) = model, teacher.configuration.vocabularySize == vocabulary else {
        throw TrainingDataError("\(path): it is no decoder of the student's vocabulary.")
      }
      return teacher
    }
    guard var windows = TokenWindows(tokens, heldOut: heldOut, window: recipe.window) else {
      throw TrainingDataError(
        "\(path): its \(tokens.count) tokens give no window of \(recipe.window) to learn from and one to hold out; give a longer text or a smaller window."
      )
    }
    if let own = recipe.distillation?.peers {
      guard let share = windows.share(own.member, of: own.count) else {
        throw TrainingDataError(
          "\(path): it is too short for \(own.count) members with windows of \(recipe.window): give a longer text."
        )
      }
      windows = share
    }
    guard recipe.window <= decoder.configuration.contextLength else {
      throw TrainingDataError(
        "\(recipe.start.path ?? ""): it reads \(decoder.configuration.contextLength) tokens at a time: set 'window' to at most that."
      )
    }
    self.windows = windows
    parameters = try Self.parameters(recipe, decoder, teachers, pool) { _ in true }
  }

  /// A student that is there, a teacher and windows; what can be stored as it was is learned of the layers, and the last norm.
  init(
    _ recipe: TrainingRecipe, _ student: Checkpoint, teacher: Decoder, windows: TokenWindows, digest: String,
    pool: ThreadPool
  ) throws {
    guard case .decoder(let decoder) = try student.model() else {
      throw TrainingDataError("\(student.path): it is no decoder, and only a decoder learns a text.")
    }
    (self.recipe, self.pool, self.digest, self.windows, self.decoder) = (
      recipe, pool, digest, windows, decoder
    )
    (teachers, peers) = (Teachers(models: [teacher]), nil)
    (configuration, files) = (try student.huggingFaceConfiguration(), try student.companionFiles())
    let learns = decoder.learnsInItsStorage
    parameters = try Self.parameters(recipe, decoder, teachers, pool) { name in
      if case .scale(let place) = name, place.layer == nil { return true }
      return learns(name)
    }
  }

  /// What is learned of a student.
  private static func parameters(
    _ recipe: TrainingRecipe, _ decoder: Decoder, _ teachers: Teachers<Decoder>?, _ pool: ThreadPool,
    where trains: (ParameterName) -> Bool
  ) throws(TrainingDataError) -> Parameters {
    guard recipe.distillation?.byLayer == true else {
      let original = teachers?.models.count == 1 ? teachers?.models[0] : nil
      return Parameters(
        decoder, where: trains, near: original?.weights(before: decoder) ?? { _ in nil },
        compression: recipe.compression, on: pool)
    }
    guard let teacher = teachers?.models[0], teacher.layers.count == decoder.layers.count,
      teacher.configuration.width == decoder.configuration.width
    else {
      throw TrainingDataError(
        "\(recipe.start.path ?? ""): the student has other layers than its teacher, so they cannot be compared one by one: leave out 'by-layer'."
      )
    }
    guard decoder.hasPackedLayers else {
      throw TrainingDataError(
        "\(recipe.start.path ?? ""): its layers have no packed weights that could be learned and stored again: compress it first, or leave out 'by-layer'."
      )
    }
    // The parameters of one layer are there at a time.
    return Parameters(decoder, where: { _ in false })
  }

  /// The student's layers beside the teacher's, for `by-layer`.
  func layerTuning() -> LayerTuning {
    // States of both models are kept for each token.
    let bytes = 8 * decoder.configuration.width * recipe.window
    var most = max(recipe.batch, Self.memoryOfStates / bytes)
    if case .seconds(let seconds) = recipe.end {
      let tokens = LayerTuning.tokens(in: seconds, of: decoder, window: recipe.window, on: pool)
      most = min(most, max(recipe.batch, tokens / recipe.window))
    }
    let held = windows.heldOutParts(windows: 1).prefix(max(1, most / 8)).map(\.batch.tokens)
    return LayerTuning(
      decoder, like: teachers!.models[0], windows: Array(windows.all.prefix(most)), heldOut: Array(held),
      batch: recipe.batch, rate: recipe.learningRate, seed: recipe.seed, pool: pool)
  }

  private static let memoryOfStates = 500_000_000

  var parameterCount: Int {
    guard recipe.distillation?.byLayer == true else { return parameters.count }
    return decoder.maps.filter { $0.place.layer != nil }.reduce(0) { $0 + $1.weight.rows * $1.weight.columns }
  }

  var summary: String {
    "\(windows.tokens.count) tokens to learn from, \(windows.heldOut.count) held out"
  }

  func parts(ofStep step: Int) -> [TokenWindows.Part] {
    (0..<recipe.parts).map { part in
      windows.part(
        ofStep: step * recipe.parts + part, windows: recipe.batch / recipe.parts, seed: recipe.seed)
    }
  }

  func batch(of part: TokenWindows.Part) -> Batch { part.batch }

  func loss(of part: TokenWindows.Part, _ run: inout Differentiation, weight: Float) -> Double {
    let tokens = part.batch.tokens
    let states =
      recipe.recompute ? decoder.states(tokens, recomputing: &run) : decoder.states(tokens, &run)
    guard let distillation = recipe.distillation,
      let teachers = peers.map({ Teachers(models: $0.models) }) ?? teachers,
      !teachers.models.isEmpty
    else {
      return run.crossEntropy(
        states, behind: decoder.head, targets: part.targets, smoothing: recipe.labelSmoothing, weight: weight)
    }
    let taught = teachers.states(of: part.batch, seed: recipe.seed, on: pool)
    var inference = Inference(part.batch, pool: pool)
    return run.divergence(
      states, behind: decoder.head,
      from: { rows in
        Teachers<Decoder>.mean(
          of: taught.map { $0.model.logits(inference.select($0.states, rows: rows), &inference) },
          temperature: distillation.temperature, on: pool)
      },
      targets: part.targets, temperature: distillation.temperature, soft: distillation.soft, weight: weight)
  }

  func exchange(afterSteps steps: Int) throws {
    try peers?.exchange(parameters, afterSteps: steps, on: pool)
  }

  func measure() -> HeldOutQuality { measure(parameters.applied(to: decoder, on: pool)) }

  /// What is measured of a decoder on what is held out.
  func measure(_ now: Decoder) -> HeldOutQuality {
    let parts = windows.heldOutParts(windows: max(1, 4096 / recipe.window))
    let teacher = recipe.keep == .best && teachers?.models.count == 1 ? teachers?.models[0] : nil
    let qualities = parts.map { part in
      teacher.map { now.quality(like: $0, on: part, pool: pool) }
        ?? HeldOutQuality(loss: now.loss(part, pool: pool))
    }
    let count = Double(parts.reduce(0) { $0 + $1.targets.count })
    func mean(_ value: (HeldOutQuality) -> Double) -> Double {
      zip(parts, qualities).reduce(0) { $0 + value($1.1) * Double($1.0.targets.count) } / count
    }
    return HeldOutQuality(
      loss: mean(\.loss), divergence: teacher == nil ? nil : mean { $0.divergence! })
  }

  var current: Model { .decoder(parameters.applied(to: decoder, on: pool)) }

  func model() -> TrainedModel { model(parameters.applied(to: decoder, on: pool)) }

  /// A decoder with the configuration and the files of the student.
  func model(_ trained: Decoder) -> TrainedModel {
    let whole = Model.decoder(trained)
    let model = recipe.takesAway ? whole.withoutUnused() : whole
    if case .new = recipe.start, recipe.compression == nil { return (model, configuration, files) }
    return (model, configuration.describing(model), files)
  }
}
