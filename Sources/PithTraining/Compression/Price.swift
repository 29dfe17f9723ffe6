import PithTensors

/// The price of what is there, which finds itself: the multiplier λ of a Lagrangian that stops where as much is gone as should be (as in Wang et al.,
/// arXiv 1910.04732, equation 7). How much should be rises in a straight line, so that the model has time to learn.
///
/// Models differ in its order of magnitude, so it grows and falls by factors; and since what goes is slow to follow, nothing is paid once a twentieth too much is gone.
struct Price {
  /// The share that is to go.
  let target: Double
  /// The share of the training in which it goes.
  let until: Double
  /// λ, in nats for all that could go; 0 once nothing is to be paid any more.
  var multiplier = 0.1

  private static let (stiffness, pace, lowest, highest) = (20.0, 0.1, 1e-6, 1e6)
  /// How far from the target an end may be that is cut to it.
  private static let tolerance = 0.05

  init(target: Double, until: Double) { (self.target, self.until) = (target, until) }

  /// The price in nats for all that could go, of a step that began with so much gone.
  ///
  /// - Parameter share: how much of the training is done.
  mutating func next(gone: Double, at share: Double) -> Float {
    let gap = target * min(1, share / until) - gone
    multiplier = min(max(multiplier * Elementary.exp(Self.pace * gap), Self.lowest), Self.highest)
    return Float(multiplier * max(0, 1 + Self.stiffness * gap))
  }

  /// Whether what is to be gone is, but for the few that can be cut.
  func isReached(gone: Double) -> Bool { target - gone <= Self.tolerance }

  /// The score up to which all is to go in the end, where those of the least scores go first; −∞ for none.
  ///
  /// - Throws: `TrainingError.staysDense` if too small a share is gone for the rest to do without.
  func limit(of scores: [Float], gone: Double) throws(TrainingError) -> Float {
    guard target - gone <= max(1 / Double(scores.count), Self.tolerance) else {
      throw .staysDense(reached: gone, wanted: target, kept: nil)
    }
    let wanted = Int((target * Double(scores.count)).rounded())
    return wanted > 0 ? scores.sorted()[wanted - 1] : -.infinity
  }
}
