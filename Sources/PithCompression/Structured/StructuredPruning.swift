import PithCheckpoints
import PithJSON

/// What is cut out of a model whole, so that an ordinary smaller model is left: layers of the model, and heads and
/// feed-forward neurons of each layer that stays.
public struct StructuredPruning: Sendable, Equatable {
  /// How heads and neurons are chosen. Layers go by how little they change the residual stream.
  public enum Score: String, Sendable, CaseIterable {
    /// By what the layer loss grows by when the others make up for it, as they then do.
    case secondOrder = "second-order"
    /// By the squares of their weights; nothing makes up for them.
    case magnitude
  }

  /// How many layers go.
  public let layers: Int
  /// The share of each layer's query heads that goes, at least.
  public let heads: Double
  /// The share of each layer's feed-forward neurons that goes.
  public let neurons: Double
  /// How heads and neurons are chosen.
  public let score: Score

  /// A cut.
  ///
  /// - Throws: `RecipeError.value` if a share is not in [0, 1), or there is nothing to drop.
  public init(layers: Int = 0, heads: Double = 0, neurons: Double = 0, score: Score = .secondOrder)
    throws(RecipeError)
  {
    guard layers >= 0 else { throw .value("Dropping \(layers) layers is not possible: give 1 or more.") }
    for (share, name) in [(heads, "heads"), (neurons, "neurons")] where !(share >= 0 && share < 1) {
      throw .value("Dropping \(share) of the \(name) is not possible: give a share of 0 or more and below 1.")
    }
    guard layers > 0 || heads > 0 || neurons > 0 else {
      throw .value("Nothing is to be dropped: say how many layers, or which share of heads or neurons.")
    }
    self.layers = layers
    self.heads = heads
    self.neurons = neurons
    self.score = score
  }

  /// Whether calibration must be read.
  public var needsCalibration: Bool { layers > 0 || score == .secondOrder }

  /// Whether something goes from layers that stay.
  var prunesLayers: Bool { heads > 0 || neurons > 0 }

  /// The steps that cutting a model down to a shape takes.
  func steps(to shape: ModelShape) -> Int { layers + (prunesLayers ? shape.layers : 0) }

  /// The keys of a recipe.
  public var json: JSONValue {
    [
      "layers": .int(layers), "heads": .double(heads), "neurons": .double(neurons),
      "score": .string(score.rawValue),
    ]
  }

  /// The shape that is left of a model's.
  ///
  /// Heads stay in groups of one size that share a key-value head, as a configuration can say no other: of all such
  /// shapes with few enough heads, one with the most is taken, and of these the one with the most groups.
  ///
  /// - Throws: `RecipeError.value` if nothing of something would be left, or heads cannot be dropped.
  func shape(of shape: ModelShape) throws(RecipeError) -> ModelShape {
    var left = shape
    guard layers < shape.layers else {
      throw .value("Dropping \(layers) of \(shape.layers) layers leaves none: drop fewer.")
    }
    left.layers -= layers
    left.neurons -= Int((neurons * Double(shape.neurons)).rounded())
    guard left.neurons > 0 else {
      throw .value("Dropping \(neurons) of \(shape.neurons) neurons leaves none: drop fewer.")
    }
    guard neurons == 0 || left.neurons < shape.neurons else {
      throw .value("Dropping \(neurons) of \(shape.neurons) neurons drops none: drop more.")
    }
    guard heads > 0 else { return left }
    guard let groups = shape.keyValueHeads else {
      throw .value(
        "Heads of an encoder cannot be dropped after training: drop layers or neurons, or let heads go in training (sparsity, pith train --help)."
      )
    }
    let most = Int(((1 - heads) * Double(shape.heads) + 1e-9).rounded(.down))
    let shapes = (1...groups).flatMap { groups in
      (1...(shape.heads / shape.keyValueHeads!)).map { (groups: groups, each: $0) }
    }
    guard
      let best = shapes.filter({ $0.groups * $0.each <= most }).max(by: {
        ($0.groups * $0.each, $0.groups) < ($1.groups * $1.each, $1.groups)
      })
    else { throw .value("Dropping \(heads) of \(shape.heads) heads leaves none: drop fewer.") }
    guard best.groups * best.each < shape.heads else {
      throw .value("Dropping \(heads) of \(shape.heads) heads drops none: drop more.")
    }
    left.heads = best.groups * best.each
    left.keyValueHeads = best.groups
    return left
  }
}

extension Recipe {
  /// The model that the steps see, its weights unknown where something is cut out.
  ///
  /// - Throws: `RecipeError.value` for what the model cannot lose.
  func outline(_ model: Model) throws(RecipeError) -> Model {
    guard let drop else { return model }
    return model.outline(try drop.shape(of: ModelShape(model)))
  }
}
