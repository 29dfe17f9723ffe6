import PithTensors

/// L0 regularization: gates of a hard concrete distribution learn which weights, neurons, heads or layers go (Louizos et al., arXiv 1712.01312; of heads
/// Voita et al., arXiv 1905.09418). What a gate costs finds itself so that the wanted share is closed in the end.
struct LearnedGates: GradualCompression {
  private let parameters: Parameters
  /// The places of log α in the list.
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

  mutating func begin(step: Int, share: Double, on pool: ThreadPool) throws(TrainingError) {
    self.done = share
    parameters.draw(seed &+ UInt64(step) &* 0xA076_1D64_78BD_642F, on: pool)
  }

  mutating func charge(on pool: ThreadPool) {
    let open = places.reduce(0.0) { sum, place in
      let logAlpha = parameters.list[place].value.values
      return sum
        + pool.sum(count: logAlpha.count) {
          $0.reduce(0.0) { $0 + Double(HardConcrete.open(logAlpha[$1]).probability) }
        }
    }
    share = 1 - open / Double(count)
    let each = price.next(gone: share, at: done) / Float(count)
    for place in places {
      let logAlpha = parameters.list[place].value.values
      parameters.addToGradient(of: place, on: pool) { each * HardConcrete.open(logAlpha[$0]).slope }
    }
  }

  mutating func end(on pool: ThreadPool) {}

  mutating func finish(on pool: ThreadPool) throws(TrainingError) {
    let all = places.flatMap { parameters.list[$0].value.values }
    let limit = try price.limit(of: all, gone: all.count { HardConcrete.gate($0) == 0 })
    for place in places {
      parameters.change(place) { $1 <= limit ? HardConcrete.closed : $1 }
    }
    parameters.draw(nil, on: pool)
  }
}
