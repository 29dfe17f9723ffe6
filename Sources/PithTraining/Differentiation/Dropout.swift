import PithTensors

/// Values that are set to 0 at random, the others growing by as much (Srivastava et al., JMLR 15, 2014).
public struct Dropout: Sendable {
  /// The share that is dropped, in [0, 1).
  public let rate: Float
  /// What the choice is drawn from; another for each step.
  public let seed: UInt64

  /// Dropout at a rate.
  public init(rate: Float, seed: UInt64) {
    precondition(rate >= 0 && rate < 1, "a share of values in [0, 1)")
    self.rate = rate
    self.seed = seed
  }
}

extension Differentiation {
  /// Drops values of a place of the model, which draws from a part of the seed of its own.
  func drop(_ x: Variable, _ place: Int) -> Variable {
    guard let dropout, dropout.rate > 0 else { return x }
    var generator = SeededGenerator(seed: dropout.seed &+ UInt64(place) &* 0xD1B5_4A32_D192_ED03)
    let kept = 1 / (1 - dropout.rate)
    let factors = Matrix(rows: x.value.rows, columns: x.value.columns) { target in
      for index in target.indices { target[index] = generator.uniform() < dropout.rate ? 0 : kept }
    }
    return result(x.value.times(factors, elementwiseOn: pool), needsGradient: x.needsGradient) {
      [pool] gradient in
      x.accumulate(gradient.times(factors, elementwiseOn: pool), on: pool)
    }
  }
}
