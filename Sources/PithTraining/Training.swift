import PithModels
import PithTensors

/// The training of a model's parameters, step by step.
///
///     var training = Training(parameters, schedule: Schedule(peak: 1e-3, warmUp: 100, steps: 2000), pool: pool)
///     for step in 0..<2000 {
///       let part = windows.part(ofStep: step, windows: 16, seed: 0)
///       let done = try training.step([part], on: { Differentiation($0.batch, parameters, pool: pool) }) { part, run, weight in
///         let states = decoder.states(part.batch.tokens, &run)
///         return run.crossEntropy(states, behind: decoder.head, targets: part.targets, weight: weight)
///       }
///     }
///     let trained = parameters.applied(to: decoder)
public struct Training {
  /// What is trained.
  public let parameters: Parameters
  /// What changes it.
  public var optimizer: Optimizer
  /// How fast.
  public let schedule: Schedule
  /// The longest gradient that is taken as it is; longer ones are shortened to it (Pascanu et al., arXiv 1211.5063).
  public let clipping: Float
  /// The threads that compute.
  public let pool: ThreadPool
  /// What compresses the parameters meanwhile.
  var compression: (any GradualCompression)?

  /// A training that begins.
  public init(
    _ parameters: Parameters, optimizer: Optimizer = Optimizer(), schedule: Schedule, clipping: Float = 1,
    pool: ThreadPool
  ) {
    self.parameters = parameters
    self.optimizer = optimizer
    self.schedule = schedule
    self.clipping = clipping
    self.pool = pool
  }

  /// What one step was like.
  public struct Step: Sendable {
    /// The mean loss, in nats.
    public let loss: Double
    /// The length of the gradient before it was clipped.
    public let gradientNorm: Double
    /// The learning rate.
    public let rate: Float
  }

  /// One step: the mean gradient of some parts, which go through the model one after the other.
  ///
  /// - Parameters:
  ///   - parts: what the step learns from; each weighs as much.
  ///   - share: how much of the training is done, if that does not follow from the number of steps.
  ///   - run: an interpreter for a part.
  ///   - loss: the loss of a part, its gradient times a weight.
  /// - Throws: `TrainingError.notFinite` if the loss or its gradient is no number, `cannotCompress` for values that cannot be compressed; the parameters
  ///   do not move then.
  public mutating func step<Part>(
    _ parts: [Part], atShare share: Float? = nil, on run: (Part) -> Differentiation,
    _ loss: (Part, inout Differentiation, _ weight: Float) -> Double
  ) throws(TrainingError) -> Step {
    let pool = pool
    let done = share ?? Float(optimizer.steps) / Float(schedule.steps)
    try compression?.begin(step: optimizer.steps, share: Double(done), on: pool)
    var total = 0.0
    for (index, part) in parts.enumerated() {
      parameters.part = index
      var run = run(part)
      total += loss(part, &run, 1 / Float(parts.count)) / Double(parts.count)
      run.runBack()
    }
    parameters.carryBack(on: pool)
    let norm = parameters.gradientNorm(on: pool)
    guard total.isFinite, norm.isFinite else {
      // Of a loss that is no number, no gradient is one.
      let broken =
        total.isFinite ? parameters.list.first { !$0.gradient.values.allSatisfy(\.isFinite) }?.name : nil
      parameters.clearGradients()
      throw .notFinite(step: optimizer.steps + 1, place: broken.map { "in the gradient of \($0)" }, kept: nil)
    }
    let rate =
      share.map { schedule.rate(at: optimizer.steps, share: $0) } ?? schedule.rate(at: optimizer.steps)
    let factor = norm > Double(clipping) ? Float(Double(clipping) / norm) : 1
    // What is clipped is the loss alone.
    compression?.charge(times: 1 / factor, on: pool)
    optimizer.step(parameters, rate: rate, factor: factor, on: pool)
    compression?.end(on: pool)
    return Step(loss: total, gradientNorm: norm, rate: rate)
  }
}

/// Why a training cannot go on.
public enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// The loss, or the gradient of a parameter, is infinite or no number: where first, and the folder of the model before.
  case notFinite(step: Int, place: String?, kept: String?)
  /// Values of a parameter that cannot be compressed: which, and what is wrong.
  case cannotCompress(String, fault: String)
  /// The time was over before the first step.
  case noTime
  /// Less is gone than should be, in shares of what could go, and the rest could not be taken away unlearned; the folder of what there is.
  case staysDense(reached: Double, wanted: Double, kept: String?)

  /// What is wrong, and the mend.
  public var description: String {
    switch self {
    case .notFinite(let step, let place, let kept):
      let place = place.map { ", first \($0)" } ?? ""
      let kept = kept.map { "; the model before that step is \($0)" } ?? ""
      return
        "the loss is no longer a number at step \(step)\(place): begin anew with a smaller learning rate or a longer warm-up\(kept)."
    case .noTime: return "the time was over before the first step: allow more."
    case .cannotCompress(let name, let fault): return "\(name) cannot be compressed: \(fault)"
    case .staysDense(let reached, let wanted, let kept):
      let kept = kept.map { "; as it is, the model is \($0)" } ?? ""
      return
        "only \(Int((100 * reached).rounded()))% are gone of the \(Int((100 * wanted).rounded()))% that should be: train for longer, or set a lower 'target'\(kept)."
    }
  }
}
