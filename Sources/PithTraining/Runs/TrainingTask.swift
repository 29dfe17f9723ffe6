import PithCheckpoints
import PithJSON
import PithModels
import PithTensors

/// What a training learns: how the parts of a step are drawn and scored, and what is measured on what is held out.
protocol TrainingTask {
  /// What goes through the model together.
  associatedtype Part

  /// What is learned.
  var parameters: Parameters { get }
  /// The number of values that are learned.
  var parameterCount: Int { get }
  /// What else must be the same for a training to go on: digests of the data.
  var digest: String { get }
  /// What there is to learn from, in a few words.
  var summary: String { get }

  /// The parts of a step, from 0.
  func parts(ofStep step: Int) -> [Part]

  /// The batch of a part.
  func batch(of part: Part) -> Batch

  /// The loss of a part; the gradient is multiplied by a weight.
  func loss(of part: Part, _ run: inout Differentiation, weight: Float) -> Double

  /// Leaves what was learned to others, and reads what they have learned.
  ///
  /// - Throws: `CheckpointError` or `TrainingDataError` if that cannot be done.
  func exchange(afterSteps steps: Int) throws

  /// What is measured on what is held out.
  func measure() -> HeldOutQuality

  /// The model as it is being trained.
  var current: Model { get }

  /// The trained model.
  func model() -> TrainedModel
}

extension TrainingTask {
  var parameterCount: Int { parameters.count }
}

/// A model with its `config.json` and the files beside it.
typealias TrainedModel = (model: Model, configuration: JSONValue, files: [(name: String, bytes: [UInt8])])

/// How good a model is on what it did not learn from.
public struct HeldOutQuality: Sendable, Equatable {
  /// The mean loss, in nats.
  public let loss: Double
  /// The share of texts whose class is found; nil where there are no classes.
  public var accuracy: Double?
  /// KL(teacher ‖ student) in nats per token: of a text, where the best of a distillation is kept.
  public var divergence: Double?

  /// What the best of a training is chosen by: the less, the better.
  var score: Double { divergence ?? loss }
}
