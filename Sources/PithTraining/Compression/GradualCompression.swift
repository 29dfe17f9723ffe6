import PithTensors

/// What compresses a part of a model while the rest learns to live with it.
protocol GradualCompression {
  /// A number that must be known for a training to go on.
  var multiplier: Double { get set }
  /// The share of what can be compressed that is, or is expected to be, as of the last step.
  var share: Double { get }

  /// Gets the parameters ready for a step.
  ///
  /// - Parameter share: how much of the training is done.
  /// - Throws: `TrainingError.cannotCompress` for values that cannot be.
  mutating func begin(step: Int, share: Double, on pool: ThreadPool) throws(TrainingError)

  /// Adds the gradient of what it costs to be there, times a factor, to those of the loss.
  mutating func charge(times factor: Float, on pool: ThreadPool)

  /// Sees what a step has made of the parameters.
  mutating func end(on pool: ThreadPool)

  /// Compresses for good all that is to be.
  ///
  /// - Throws: `TrainingError.staysDense` if the model could not do with so little, `cannotCompress` for values that cannot be.
  mutating func finish(on pool: ThreadPool) throws(TrainingError)
}

extension GradualCompression {
  var multiplier: Double {
    get { 0 }
    set {}
  }

  mutating func charge(times factor: Float, on pool: ThreadPool) {}
  mutating func end(on pool: ThreadPool) {}
}

extension TrainingRecipe {
  /// What compresses parameters that were made for it, as the recipe says; nil where nothing does.
  ///
  /// - Throws: `TrainingDataError` if none of them can be compressed.
  func compression(of parameters: Parameters) throws(TrainingDataError) -> (any GradualCompression)? {
    guard compression != nil else { return nil }
    guard !parameters.compressed.isEmpty else {
      throw TrainingDataError(
        "the layers of the model have no plain weights: start from one that is not packed, or leave out 'sparsity' and 'quantization'."
      )
    }
    return switch compression {
    case .sparsity(let sparsity):
      switch sparsity.method {
      case .magnitude: GradualPruning(sparsity, parameters)
      case .l0: LearnedGates(sparsity, parameters, seed: seed)
      case .variational: VariationalDropout(sparsity, parameters, seed: seed)
      }
    case .quantization(let quantization): GradualQuantization(quantization, parameters)
    case nil: nil
    }
  }
}
