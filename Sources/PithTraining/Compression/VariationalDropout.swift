import PithSparsity
import PithTensors

/// Variational dropout: each weight has a variance of its own, and those that are mostly noise go (Molchanov et al., arXiv 1701.05369). What the divergence
/// from the log-uniform prior weighs finds itself so that the wanted share goes.
///
///     w ~ N(θ, σ²),  log α = log σ² − log θ²,  gone where log α > 3
struct VariationalDropout: DrawnCompression {
  /// log σ² of a weight before training.
  static let start: Float = -10
  /// log α from which on a weight goes: its dropout rate is above 0.95.
  static let threshold: Float = 3
  /// log σ² of a weight without noise.
  private static let settled: Float = -30
  /// What keeps θ² from 0.
  private static let tiny = 1e-30

  /// The values are log σ² of each weight, which stands before them in the list.
  var drawn: DrawnValues
  /// Which weights are there once that is settled.
  private var masks: [PruningMask]?

  init(_ settings: TrainingRecipe.Sparsity, _ parameters: Parameters, seed: UInt64) {
    drawn = DrawnValues(settings, parameters, seed: seed)
  }

  /// log α of a weight.
  @inline(__always) static func logAlpha(_ weight: Float, _ logVariance: Float) -> Float {
    logVariance - Float(Elementary.log(Double(weight) * Double(weight) + tiny))
  }

  /// How much nearer to the prior a weight comes as its log α grows: the derivative of equation 14, the approximation of −KL.
  @inline(__always) static func slope(_ logAlpha: Float) -> Float {
    let (k1, k2, k3): (Float, Float, Float) = (0.63576, 1.87320, 1.48695)
    let s = sigmoid(k2 + k3 * logAlpha)
    return k1 * k3 * s * (1 - s) + sigmoid(-logAlpha) / 2
  }

  mutating func begin(step: Int, share: Double, on pool: ThreadPool) throws(TrainingError) {
    if drawn.canSettle(at: share, gone: noise(on: pool)) { try finish(on: pool) }
    if drawn.isSettled, masks == nil {
      masks = drawn.places.map { PruningMask(nonzerosOf: drawn.parameters.list[$0 - 1].value) }
      drawn.share = noise(on: pool)
    }
    drawn.draw(step, share, on: pool)
  }

  mutating func end(on pool: ThreadPool) {
    for (place, mask) in zip(drawn.places, masks ?? []) {
      drawn.parameters.clear(place - 1, where: mask, on: pool)
    }
  }

  mutating func charge(times factor: Float, on pool: ThreadPool) {
    guard !drawn.isSettled else { return }
    let parameters = drawn.parameters
    let alphas = drawn.places.map { logAlphas($0, on: pool) }
    let each = factor * drawn.price(gone: Self.noise(alphas, of: drawn.count))
    for (place, alphas) in zip(drawn.places, alphas) {
      let weights = parameters.list[place - 1].value.values
      let alphas = alphas.values
      parameters.addToGradient(of: place, on: pool) { -each * Self.slope(alphas[$0]) }
      parameters.addToGradient(of: place - 1, on: pool) {
        let weight = Double(weights[$0])
        return each * Self.slope(alphas[$0]) * Float(2 * weight / (weight * weight + Self.tiny))
      }
    }
  }

  /// Takes away the weights that are noise for good, the wanted share at least.
  mutating func finish(on pool: ThreadPool) throws(TrainingError) {
    guard !drawn.isSettled else { return }
    let alphas = drawn.places.map { logAlphas($0, on: pool) }
    // The least of these is what is noise the most.
    let least = try drawn.price.limit(
      of: alphas.flatMap { $0.values.map { -$0 } }, gone: Self.noise(alphas, of: drawn.count))
    let limit = min(Self.threshold, (-least).nextDown)
    for (place, alphas) in zip(drawn.places, alphas) {
      drawn.parameters.change(place - 1) { index, weight in alphas.values[index] > limit ? 0 : weight }
      drawn.parameters.change(place) { _, _ in Self.settled }
    }
    drawn.settle()
    drawn.parameters.draw(nil, on: pool)
  }

  private func noise(on pool: ThreadPool) -> Double {
    Self.noise(drawn.places.map { logAlphas($0, on: pool) }, of: drawn.count)
  }

  /// The share of weights that are mostly noise.
  private static func noise(_ alphas: [Matrix], of count: Int) -> Double {
    Double(alphas.reduce(0) { $0 + $1.values.count { $0 > threshold } }) / Double(count)
  }

  private func logAlphas(_ place: Int, on pool: ThreadPool) -> Matrix {
    let (weights, variances) = (drawn.parameters.list[place - 1].value, drawn.parameters.list[place].value)
    return weights.mapping(with: variances, on: pool) { weight, variance, alpha, count in
      for index in 0..<count { alpha[index] = Self.logAlpha(weight[index], variance[index]) }
    }
  }
}
