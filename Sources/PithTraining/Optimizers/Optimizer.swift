import CPithKernels
import PithTensors

/// What changes parameters by their gradients, with what it remembers of earlier ones.
public struct Optimizer: Sendable {
  /// The rule of a step.
  public enum Rule: Sendable, Equatable {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).
    case adamW(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8, decay: Float = 0.01)

    /// Gradient descent with momentum: v ← μ·v + g + λ·w, w ← w − η·v.
    case momentum(_ momentum: Float = 0.9, decay: Float = 0)
  }

  /// The rule.
  public let rule: Rule
  /// How many steps were done.
  public private(set) var steps = 0
  /// What is remembered of each parameter, in their order: means of gradients, and for AdamW of their squares.
  public private(set) var memories: [[Matrix]] = []

  /// An optimizer that has seen nothing.
  public init(_ rule: Rule = .adamW()) { self.rule = rule }

  /// An optimizer that goes on where another was.
  public init(_ rule: Rule, steps: Int, memories: [[Matrix]]) {
    self.rule = rule
    self.steps = steps
    self.memories = memories
  }

  /// How many matrices are remembered of each parameter.
  public var memoriesPerParameter: Int { if case .adamW = rule { 2 } else { 1 } }

  /// Changes all parameters once, and clears their gradients.
  ///
  /// - Parameters:
  ///   - rate: the learning rate, of all parameters that have none of their own.
  ///   - factor: what gradients are multiplied by first.
  public mutating func step(_ parameters: Parameters, rate: Float, factor: Float = 1, on pool: ThreadPool) {
    if memories.isEmpty {
      memories = parameters.list.map { parameter in
        let zeros = Matrix(rows: parameter.value.rows, columns: parameter.value.columns)
        return Array(repeating: zeros, count: memoriesPerParameter)
      }
    }
    steps += 1
    for index in parameters.list.indices where !parameters.isFrozen(index) {
      let decays = parameters.list[index].decays
      let rate = parameters.list[index].rate ?? rate
      switch rule {
      case .adamW(let beta1, let beta2, let epsilon, let decay):
        var step = pith_adamw(
          rate: rate, decay: decays ? decay : 0, beta1: beta1, beta2: beta2, epsilon: epsilon,
          correction1: 1 - Elementary.pow(beta1, Float(steps)),
          correction2: 1 - Elementary.pow(beta2, Float(steps)), factor: factor)
        Self.update(&parameters.list[index], &memories[index], on: pool) { gradient, value, memory, count in
          pith_adamw_step(&step, gradient, value, memory[0], memory[1], count)
        }
      case .momentum(let momentum, let decay):
        let decay = decays ? decay : 0
        Self.update(&parameters.list[index], &memories[index], on: pool) { gradient, value, memory, count in
          for i in 0..<count {
            memory[0][i] = momentum * memory[0][i] + factor * gradient[i] + decay * value[i]
            value[i] -= rate * memory[0][i]
          }
        }
      }
    }
    parameters.clearGradients()
    parameters.compose(on: pool)
  }

  private static func update(
    _ parameter: inout Parameter, _ memory: inout [Matrix], on pool: ThreadPool,
    _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, [UnsafeMutablePointer<Float>], Int) -> Void
  ) {
    // Nobody else holds these arrays, so their memory can be written where it is.
    let pointers = memory.indices.map { index in
      memory[index].values.withUnsafeMutableBufferPointer { $0.baseAddress }
    }
    parameter.gradient.values.withUnsafeBufferPointer { gradient in
      parameter.value.values.withUnsafeMutableBufferPointer { value in
        guard let start = value.baseAddress else { return }
        nonisolated(unsafe) let (from, to) = (gradient.baseAddress!, start)
        nonisolated(unsafe) let memory = pointers.map { $0! }
        pool.forEach(count: value.count, grain: 16_384) { range in
          body(
            from + range.lowerBound, to + range.lowerBound, memory.map { $0 + range.lowerBound }, range.count)
        }
      }
    }
  }
}
