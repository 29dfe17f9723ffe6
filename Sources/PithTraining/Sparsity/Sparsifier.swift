import PithTensors

/// What takes a part of a model away while the rest learns to do without it.
protocol Sparsifier {
  /// A number that must be known for a training to go on.
  var multiplier: Double { get set }
  /// The share of what could go that is gone, or expected to be, as of the last step.
  var gone: Double { get }

  /// Gets the parameters ready for a step.
  ///
  /// - Parameter share: how much of the training is done.
  mutating func begin(step: Int, share: Double, on pool: ThreadPool)

  /// Adds the gradient of what it costs to be there to those of the loss.
  mutating func charge(on pool: ThreadPool)

  /// Sees what a step has made of the parameters.
  mutating func end(on pool: ThreadPool)

  /// Takes away for good what is to go.
  ///
  /// - Throws: `TrainingError.staysDense` if the model could not do with so little.
  mutating func finish(on pool: ThreadPool) throws(TrainingError)
}

extension TrainingRecipe.Sparsity {
  /// What takes away what this says of parameters that were made for it.
  ///
  /// - Throws: `TrainingDataError` if none of them can go.
  func sparsifier(of parameters: Parameters, seed: UInt64) throws(TrainingDataError) -> any Sparsifier {
    guard !parameters.thinned.isEmpty else {
      throw TrainingDataError("the model's layers have no plain weights that could go: leave out 'sparsity', or start from one that is not packed.")
    }
    return switch method {
    case .magnitude: GradualPruning(self, parameters)
    case .l0: LearnedGates(self, parameters, seed: seed)
    case .variational: VariationalDropout(self, parameters, seed: seed)
    }
  }
}
