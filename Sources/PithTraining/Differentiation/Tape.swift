import CPithKernels
import PithTensors

/// A matrix on the tape: its value and, while the tape runs back, the gradient of the loss with respect to it.
public final class Variable {
  /// The value: one row per token.
  public let value: Matrix
  /// Whether something that is trained lies before it.
  let needsGradient: Bool
  private var gradient: Matrix?

  init(_ value: Matrix, needsGradient: Bool) {
    self.value = value
    self.needsGradient = needsGradient
  }

  /// Adds to the gradient.
  func accumulate(_ part: Matrix, on pool: ThreadPool) {
    guard needsGradient else { return }
    precondition(part.rows == value.rows && part.columns == value.columns, "a gradient of another shape")
    guard gradient != nil else {
      gradient = part
      return
    }
    gradient!.values.withUnsafeMutableBufferPointer { target in
      part.values.withUnsafeBufferPointer { part in
        guard target.count > 0 else { return }
        nonisolated(unsafe) let (to, from) = (target.baseAddress!, part.baseAddress!)
        pool.forEach(count: target.count, grain: 65_536) { range in
          pith_add(to + range.lowerBound, from + range.lowerBound, range.count)
        }
      }
    }
  }

  /// The gradient, which is let go of; nil if the loss does not depend on the variable.
  func takeGradient() -> Matrix? {
    defer { gradient = nil }
    return gradient
  }
}

/// What was computed, in its order; running back, each step passes its gradient on and is forgotten.
final class Tape {
  private var steps: [() -> Void] = []

  func record(_ step: @escaping () -> Void) { steps.append(step) }

  func runBack() {
    while let step = steps.popLast() { step() }
  }
}
