import PithTensors

/// A compression by values that are drawn.
protocol DrawnCompression: GradualCompression {
  /// The values.
  var drawn: DrawnValues { get set }
}

extension DrawnCompression {
  var multiplier: Double {
    get { drawn.price.multiplier }
    set { drawn.price.multiplier = newValue }
  }

  var share: Double { drawn.share }
}

/// Gates or variances: what is drawn for each step, and the price of what is there. Once enough is gone it is settled: what is gone stays away, and
/// the rest learns on without noise.
struct DrawnValues {
  let parameters: Parameters
  /// The places of the values in the list.
  let places: [Int]
  /// The number of values.
  let count: Int
  var price: Price
  /// The share that was gone before the last step.
  var share = 0.0

  private let seed: UInt64
  /// How much of the training was done before the last step.
  private var done = 0.0

  init(_ settings: TrainingRecipe.Sparsity, _ parameters: Parameters, seed: UInt64) {
    self.parameters = parameters
    self.seed = seed
    places = parameters.compressed
    count = places.reduce(0) { $0 + parameters.list[$1].value.values.count }
    price = Price(target: Double(settings.target), until: settings.until)
  }

  /// Whether it is settled what goes; nothing is paid then.
  var isSettled: Bool { price.multiplier == 0 }

  /// Whether so much is gone, and so much of the training is done, that it can be settled.
  func canSettle(at share: Double, gone: @autoclosure () -> Double) -> Bool {
    !isSettled && share >= price.until && price.isReached(gone: gone())
  }

  /// Settles what goes.
  mutating func settle() { price.multiplier = 0 }

  /// Draws what a step learns with.
  mutating func draw(_ step: Int, _ share: Double, on pool: ThreadPool) {
    done = share
    if !isSettled {
      parameters.draw(seed &+ UInt64(step) &* 0xA076_1D64_78BD_642F, on: pool)
    } else if parameters.noise != nil {
      parameters.draw(nil, on: pool)
    }
  }

  /// The price of each value in a step that began with a share of them gone.
  mutating func price(gone: Double) -> Float {
    share = gone
    return price.next(gone: gone, at: done) / Float(count)
  }
}
