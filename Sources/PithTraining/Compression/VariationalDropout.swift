import PithTensors

/// Variational dropout: each weight has a variance of its own, and those that are mostly noise go (Molchanov et al., arXiv 1701.05369). What the divergence
/// from the log-uniform prior weighs begins at 0 and finds itself.
///
///     w ~ N(θ, σ²),  log α = log σ² − log θ²,  gone where log α > 3
struct VariationalDropout: GradualCompression {
  /// log σ² of a weight before training.
  static let start: Float = -10
  /// log α from which on a weight goes: its dropout rate is above 0.95.
  static let threshold: Float = 3

  private let parameters: Parameters
  /// The places of log σ² in the list; the weight stands before it.
  private let places: [Int]
  private let count: Int
  private let seed: UInt64
  private var price: Price
  private var done = 0.0
  private(set) var share = 0.0

  init(_ settings: TrainingRecipe.Sparsity, _ parameters: Parameters, seed: UInt64) {
    self.parameters = parameters
    self.seed = seed
    places = parameters.compressed
    count = places.reduce(0) { $0 + parameters.list[$1].value.values.count }
    price = Price(target: Double(settings.target), until: settings.until)
  }

  var multiplier: Double {
    get { price.multiplier }
    set { price.multiplier = newValue }
  }

  /// log α of a weight.
  @inline(__always) static func logAlpha(_ weight: Float, _ logVariance: Float) -> Float {
    logVariance - Float(Elementary.log(Double(weight * weight) + 1e-30))
  }

  /// How much nearer to the prior a weight comes as its log α grows: the derivative of equation 14, the approximation of −KL.
  @inline(__always) static func slope(_ logAlpha: Float) -> Float {
    let (k1, k2, k3): (Float, Float, Float) = (0.63576, 1.87320, 1.48695)
    let s = sigmoid(k2 + k3 * logAlpha)
    return k1 * k3 * s * (1 - s) + sigmoid(-logAlpha) / 2
  }

  mutating func begin(step: Int, share: Double, on pool: ThreadPool) throws(TrainingError) {
    self.done = share
    parameters.draw(seed &+ UInt64(step) &* 0xA076_1D64_78BD_642F, on: pool)
  }

  mutating func charge(on pool: ThreadPool) {
    let alphas = places.map(logAlphas)
    share = Double(alphas.reduce(0) { $0 + $1.count { $0 > Self.threshold } }) / Double(count)
    let each = price.next(gone: share, at: done) / Float(count)
    for (place, alphas) in zip(places, alphas) {
      let slopes = alphas.map { each * Self.slope($0) }
      let weights = parameters.list[place - 1].value.values
      parameters.addToGradient(of: place - 1, on: pool) {
        weights[$0] == 0 ? 0 : 2 * slopes[$0] / weights[$0]
      }
      parameters.addToGradient(of: place, on: pool) { -slopes[$0] }
    }
  }

  mutating func end(on pool: ThreadPool) {}

  mutating func finish(on pool: ThreadPool) throws(TrainingError) {
    let alphas = places.map(logAlphas)
    // The least of these is what is noise the most.
    let all = alphas.joined().map { -$0 }
    let limit = max(
      -Self.threshold.nextUp, try price.limit(of: all, gone: all.count { $0 < -Self.threshold }))
    for (place, alphas) in zip(places, alphas) {
      parameters.change(place - 1) { index, weight in -alphas[index] <= limit ? 0 : weight }
    }
    parameters.draw(nil, on: pool)
  }

  private func logAlphas(_ place: Int) -> [Float] {
    let (weights, variances) = (parameters.list[place - 1].value.values, parameters.list[place].value.values)
    return weights.indices.map { Self.logAlpha(weights[$0], variances[$0]) }
  }
}
