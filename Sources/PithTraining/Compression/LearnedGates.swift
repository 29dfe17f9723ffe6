import PithTensors

/// L0 regularization: gates of a hard concrete distribution learn which weights, neurons, heads or layers go (Louizos et al., arXiv 1712.01312; of heads
/// Voita et al., arXiv 1905.09418). What a gate costs finds itself so that the wanted share is expected to be closed.
struct LearnedGates: DrawnCompression {
  /// The values are log α of each gate.
  var drawn: DrawnValues

  init(_ settings: TrainingRecipe.Sparsity, _ parameters: Parameters, seed: UInt64) {
    drawn = DrawnValues(settings, parameters, seed: seed)
  }

  mutating func begin(step: Int, share: Double, on pool: ThreadPool) throws(TrainingError) {
    if drawn.canSettle(at: share, gone: closed(on: pool)) { try finish(on: pool) }
    if drawn.isSettled { drawn.share = closed(on: pool) }
    drawn.draw(step, share, on: pool)
  }

  mutating func charge(times factor: Float, on pool: ThreadPool) {
    guard !drawn.isSettled else { return }
    let each = factor * drawn.price(gone: closed(on: pool))
    for place in drawn.places {
      let logAlpha = drawn.parameters.list[place].value.values
      drawn.parameters.addToGradient(of: place, on: pool) { each * HardConcrete.open(logAlpha[$0]).slope }
    }
  }

  /// The share of gates that is expected to be closed.
  private func closed(on pool: ThreadPool) -> Double {
    let open = drawn.places.reduce(0.0) { sum, place in
      let logAlpha = drawn.parameters.list[place].value.values
      return sum
        + pool.sum(count: logAlpha.count) {
          $0.reduce(0.0) { $0 + Double(HardConcrete.open(logAlpha[$1]).probability) }
        }
    }
    return 1 - open / Double(drawn.count)
  }

  /// Closes the wanted number of gates for good: those that are the least likely to be open. The others stay as they are.
  mutating func finish(on pool: ThreadPool) throws(TrainingError) {
    guard !drawn.isSettled else { return }
    let all = drawn.places.flatMap { drawn.parameters.list[$0].value.values }
    let limit = try drawn.price.limit(of: all, gone: closed(on: pool))
    for place in drawn.places {
      drawn.parameters.change(place) { $1 <= limit ? HardConcrete.closed : $1 }
    }
    drawn.settle()
    drawn.parameters.draw(nil, on: pool)
  }
}
