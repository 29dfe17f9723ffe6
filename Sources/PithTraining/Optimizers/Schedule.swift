import PithTensors

/// How the learning rate goes: it rises linearly for some steps and falls to a share of its peak at the last one.
public struct Schedule: Sendable, Equatable {
  /// How it falls.
  public enum Decay: String, Sendable, CaseIterable {
    /// Half a period of a cosine (Loshchilov and Hutter, arXiv 1608.03983).
    case cosine
    /// A straight line.
    case linear
    /// Not at all.
    case constant
  }

  /// The highest rate.
  public let peak: Float
  /// The steps on the way there.
  public let warmUp: Int
  /// All steps.
  public let steps: Int
  /// How it falls.
  public let decay: Decay
  /// The share of the peak at the last step.
  public let floor: Float

  /// A schedule.
  public init(peak: Float, warmUp: Int = 0, steps: Int, decay: Decay = .cosine, floor: Float = 0.1) {
    self.peak = peak
    self.warmUp = warmUp
    self.steps = steps
    self.decay = decay
    self.floor = floor
  }

  /// The rate of a step, from 0.
  public func rate(at step: Int) -> Float {
    if step < warmUp { return peak * Float(step + 1) / Float(warmUp) }
    return rate(atShare: Float(step - warmUp) / Float(max(1, steps - 1 - warmUp)))
  }

  /// The rate of a step when a share of the training is done, of which it is not known how many steps it will have: it rises in the first
  /// ones beside.
  public func rate(at step: Int, share: Float) -> Float {
    rate(atShare: share) * min(1, Float(step + 1) / Float(max(1, warmUp)))
  }

  /// The rate when a share of the way down is done.
  private func rate(atShare share: Float) -> Float {
    let share = min(1, share)
    let height: Float =
      switch decay {
      case .cosine: (1 + Elementary.cos(.pi * share)) / 2
      case .linear: 1 - share
      case .constant: 1
      }
    return peak * (floor + (1 - floor) * height)
  }
}
