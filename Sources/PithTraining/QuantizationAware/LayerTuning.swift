import PithModels
import PithTensors
import PithWeights

/// The layers of a compressed decoder learn, one after the other, to give what those of the original give (BRECQ, arXiv 2102.05426,
/// section 3.2; EfficientQAT, arXiv 2407.11062, section 3.2).
///
///     var tuning = LayerTuning(small, like: original, windows: windows, heldOut: others, pool: pool)
///     while let layer = try tuning.next(until: .steps(200)) { print(layer.index, layer.before, layer.after) }
///     let tuned = tuning.student
///
/// A layer reads what the layers before it, tuned already, make of the text, and is to give what the original's would: it also makes up for what
/// those have lost. There are the parameters of one layer at a time, and the states of the text.
public struct LayerTuning {
  /// What became of a layer.
  public struct Layer: Sendable {
    /// Its place.
    public let index: Int
    /// The mean relative squared error of its outputs on the held-out text before …
    public let before: Double
    /// … and after. Where learning made it worse the layer stays as it was, and this is as before.
    public let after: Double
    /// The steps that it learned.
    public let steps: Int
    /// Whether its loss became no number; then too it stays as it was.
    public let diverged: Bool
  }

  /// The decoder, tuned up to the layer that is next.
  public private(set) var student: Decoder
  /// The layer that is next.
  public private(set) var index = 0

  private let original: Decoder
  private let pool: ThreadPool
  private let batch: Int
  private let rate: Float
  private let seed: UInt64
  private var learned: States
  private var heldOut: States

  /// What both decoders make of windows of a text, up to a layer.
  private struct States {
    let windows: [[Int32]]
    var student: [Matrix]
    var original: [Matrix]
  }

  /// Decoders of one shape.
  ///
  /// - Parameters:
  ///   - windows: tokens to learn from, and `heldOut` to measure with; all windows are as long.
  ///   - batch: windows of a step.
  ///   - rate: the highest learning rate.
  public init(
    _ student: Decoder, like original: Decoder, windows: [[Int32]], heldOut: [[Int32]], batch: Int = 4,
    rate: Float = 1e-4, seed: UInt64 = 0, pool: ThreadPool
  ) {
    (self.student, self.original, self.pool) = (student, original, pool)
    (self.batch, self.rate, self.seed) = (batch, rate, seed)
    func states(_ windows: [[Int32]]) -> States {
      func embedded(_ decoder: Decoder) -> [Matrix] {
        windows.map { window in
          let run = Inference(Self.batch([window]), pool: pool)
          return run.embed(window, from: decoder.embedding, scale: decoder.configuration.embeddingScale)
        }
      }
      return States(windows: windows, student: embedded(student), original: embedded(original))
    }
    learned = states(windows)
    self.heldOut = states(heldOut)
  }

  private static func batch(_ windows: [[Int32]]) -> Batch {
    Batch(windows.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
  }

  /// Tunes the next layer; nil where there is none.
  ///
  /// - Parameters:
  ///   - end: the steps of this layer, or its seconds, of which reading the text takes a part.
  ///   - progress: called after each step with the share of this layer's that are done.
  /// - Throws: what `progress` throws.
  public mutating func next(
    until end: TrainingRecipe.End, progress: (Training.Step, _ share: Double) throws -> Void = { _, _ in }
  ) throws -> Layer? {
    guard index < student.layers.count else { return nil }
    let begun = ContinuousClock.now
    advance(\.original, through: original)
    let before = error(of: student)
    let learns = student.learnsInItsStorage
    let parameters = Parameters(
      student, where: { $0.layer == index && learns($0) }, near: original.weights(before: student), on: pool)
    var training = Training(
      parameters, optimizer: Optimizer(.adamW(beta2: 0.99, decay: 0)),
      schedule: Schedule(peak: rate, warmUp: 10, steps: .max), pool: pool)
    let start = ContinuousClock.now
    // Behind learning there is as much to read as there was before it.
    let reading = 2 * ((start - begun) / .seconds(1))
    func share() -> Double {
      switch end {
      case .steps(let steps): Double(training.optimizer.steps) / Double(steps)
      case .seconds(let seconds):
        seconds > reading ? (ContinuousClock.now - start) / .seconds(seconds - reading) : 1
      }
    }
    var diverged = false
    while share() < 1 {
      let places = places(ofStep: training.optimizer.steps)
      let batch = Self.batch(places.map { learned.windows[$0] })
      let (x, y) = (stacked(places.map { learned.student[$0] }), stacked(places.map { learned.original[$0] }))
      let (student, index) = (student, index)
      let done: Training.Step
      do throws(TrainingError) {
        done = try training.step(
          [batch], atShare: Float(share()), on: { Differentiation($0, parameters, pool: pool) }
        ) { _, run, weight in
          let states = student.advance(
            Variable(x, needsGradient: false), through: index..<(index + 1), &run)
          return run.relativeError(states, to: y, weight: weight)
        }
      } catch {
        guard case .notFinite = error else { throw error }
        diverged = true
        break
      }
      try progress(done, min(1, share()))
    }
    let tuned = diverged ? student : parameters.applied(to: student, on: pool)
    let after = diverged ? before : error(of: tuned)
    if after < before { student = tuned }
    advance(\.student, through: student)
    index += 1
    return Layer(
      index: index - 1, before: before, after: min(before, after), steps: training.optimizer.steps,
      diverged: diverged)
  }

  /// Takes the next layer as it was tuned before, and goes on behind it.
  public mutating func take(_ layer: Decoder.Layer) {
    advance(\.original, through: original)
    student.layers[index] = layer
    advance(\.student, through: student)
    index += 1
  }

  /// The windows of a step: each is seen as often as the others.
  private func places(ofStep step: Int) -> [Int] {
    let count = learned.windows.count
    return (0..<min(batch, count)).map { place in
      let turn = step * min(batch, count) + place
      var generator = SeededGenerator(seed: seed &+ UInt64(turn / count) &* 0x9E6C_63D0_876A_9A47)
      var order = Array(0..<count)
      order.shuffle(using: &generator)
      return order[turn % count]
    }
  }

  private func stacked(_ matrices: [Matrix]) -> Matrix {
    Matrix(
      rows: matrices.reduce(0) { $0 + $1.rows }, columns: matrices[0].columns,
      values: matrices.flatMap(\.values))
  }

  /// What a decoder's layer makes of a window.
  private func output(_ decoder: Decoder, _ window: [Int32], _ x: Matrix) -> Matrix {
    var run = Inference(Self.batch([window]), pool: pool)
    return decoder.advance(x, through: index..<(index + 1), &run)
  }

  private mutating func advance(_ side: WritableKeyPath<States, [Matrix]>, through decoder: Decoder) {
    for place in learned.windows.indices {
      learned[keyPath: side][place] = output(decoder, learned.windows[place], learned[keyPath: side][place])
    }
    for place in heldOut.windows.indices {
      heldOut[keyPath: side][place] = output(decoder, heldOut.windows[place], heldOut[keyPath: side][place])
    }
  }

  /// The error of a layer's outputs on the held-out text, once the original's side is behind it.
  private func error(of decoder: Decoder) -> Double {
    let errors = heldOut.windows.indices.map { place in
      RelativeError.of(
        output(decoder, heldOut.windows[place], heldOut.student[place]), to: heldOut.original[place],
        weight: 0, on: pool
      ).loss
    }
    return errors.reduce(0, +) / Double(max(1, errors.count))
  }
}

extension Decoder {
  /// Whether layers have packed weights that can learn and be stored as they were.
  public var hasPackedLayers: Bool {
    maps.contains { $0.place.layer != nil && Composition.keeps($0.weight) }
  }

  /// Whether a parameter of the layers can learn and be stored as it was: all but weights that would become float32.
  var learnsInItsStorage: (ParameterName) -> Bool {
    let others = Set(
      maps.filter { !Composition.keeps($0.weight) }.map { ParameterName.weight($0.place) })
    return { $0.layer != nil && !others.contains($0) }
  }

  /// The weights that those of a compressed decoder were, by their places; none of another shape, and none of layers whose norms are others, since
  /// there the weights have taken over a part of them.
  func weights(before small: Decoder) -> (Place) -> StoredMatrix? {
    var known: [Place: StoredMatrix] = [:]
    for (layer, own) in zip(small.layers, layers)
    where small.layers.count == layers.count && layer.normWeights == own.normWeights {
      for (map, before) in zip(layer.mapped, own.mapped)
      where map.place == before.place && map.weight.rows == before.weight.rows
        && map.weight.columns == before.weight.columns
      { known[map.place] = before.weight }
    }
    return { known[$0] }
  }
}

extension Decoder.Layer {
  /// The factors of its norms.
  fileprivate var normWeights: [[Float]] {
    var weights: [[Float]] = []
    _ = mapping(
      maps: { $0 },
      norms: { norm in
        weights.append(norm.weight)
        return norm
      })
    return weights
  }

  /// Its maps.
  fileprivate var mapped: [Linear] {
    var maps: [Linear] = []
    _ = mapping(maps: { map in
      maps.append(map)
      return map
    })
    return maps
  }
}

extension ParameterName {
  /// The layer that it belongs to.
  var layer: Int? {
    switch self {
    case .weight(let place), .factor(let place, _), .variance(let place), .bias(let place): place.layer
    case .scale(let place), .shift(let place): place.layer
    }
  }
}
