import CPithKernels
import PithLinearAlgebra
import PithModels
import PithTensors

extension Differentiation {
  /// Rows of logits that are there at one time: a vocabulary is wide.
  private static let rows = 256

  /// The mean cross-entropy of rows of logits, in nats.
  ///
  /// - Parameters:
  ///   - targets: the class of each row; rows with a negative one do not count.
  ///   - smoothing: the share of each target that is spread over all classes (Szegedy et al., arXiv 1512.00567).
  ///   - weight: what the gradient is multiplied by, such as the part of one batch of several.
  public func crossEntropy(
    _ logits: Variable, targets: [Int32], smoothing: Float = 0, weight: Float = 1
  ) -> Double {
    let counted = targets.indices.filter { targets[$0] >= 0 }
    guard !counted.isEmpty else { return 0 }
    var gradient = Matrix(rows: logits.value.rows, columns: logits.value.columns)
    var losses = [Float](repeating: 0, count: counted.count)
    for (place, row) in counted.enumerated() {
      var scores = Array(logits.value[row: row])
      losses[place] = pith_cross_entropy(
        &scores, scores.count, Int(targets[row]), smoothing, weight / Float(counted.count))
      gradient.values.replaceSubrange((row * scores.count)..<((row + 1) * scores.count), with: scores)
    }
    leave(gradient, at: logits)
    return losses.reduce(0) { $0 + Double($1) } / Double(counted.count)
  }

  /// The mean cross-entropy of states behind an output head, in nats, without all logits at one time.
  ///
  /// - Parameters:
  ///   - targets: the token that should follow each row; rows with a negative one do not count.
  ///   - smoothing: the share of each target that is spread over all tokens.
  ///   - weight: what the gradient is multiplied by.
  public func crossEntropy(
    _ states: Variable, behind head: Linear, targets: [Int32], smoothing: Float = 0, weight: Float = 1
  ) -> Double {
    let counted = targets.indices.filter { targets[$0] >= 0 }
    let share = weight / Float(max(1, counted.count))
    let losses = score(states, behind: head, rows: counted) { place, logits, _ in
      pith_cross_entropy(logits.baseAddress!, logits.count, Int(targets[counted[place]]), smoothing, share)
    }
    return losses.reduce(0) { $0 + Double($1) } / Double(max(1, counted.count))
  }

  /// The losses of rows of states behind an output head; the gradient goes to the states and the head's weight.
  ///
  /// - Parameters:
  ///   - teacher: logits of some rows to compare with; they may be written over.
  ///   - loss: the loss of one of the rows from its logits, which it replaces with their gradient, and those of the teacher.
  func score(
    _ states: Variable, behind head: Linear, rows: [Int], beside teacher: (([Int]) -> Matrix)? = nil,
    _ loss: (Int, UnsafeMutableBufferPointer<Float>, UnsafeMutablePointer<Float>?) -> Float
  ) -> [Float] {
    let name = ParameterName.weight(head.place)
    let weight = parameters.value(name) ?? head.weight.decoded(on: pool)
    let width = states.value.columns
    var gradient = Matrix(rows: states.value.rows, columns: width)
    var losses = [Float](repeating: 0, count: rows.count)
    for start in stride(from: 0, to: rows.count, by: Self.rows) {
      let some = start..<min(start + Self.rows, rows.count)
      let part = Matrix(
        rows: some.count, columns: width, values: rows[some].flatMap { states.value[row: $0] })
      var logits = part.times(weight, otherTransposed: true, on: pool)
      let columns = logits.columns
      var taught = teacher.map { $0(Array(rows[some])).values } ?? []
      logits.values.withUnsafeMutableBufferPointer { logits in
        taught.withUnsafeMutableBufferPointer { taught in
          losses.withUnsafeMutableBufferPointer { losses in
            nonisolated(unsafe) let (logits, taught, losses) = (logits, taught, losses)
            pool.forEach(count: some.count, grain: 1) { range in
              for row in range {
                let own = UnsafeMutableBufferPointer(
                  rebasing: logits[(row * columns)..<((row + 1) * columns)])
                let other = taught.isEmpty ? nil : taught.baseAddress! + row * columns
                losses[start + row] = loss(start + row, own, other)
              }
            }
          }
        }
      }
      if states.needsGradient {
        let back = logits.times(weight, on: pool)
        for (place, row) in rows[some].enumerated() {
          gradient.values.replaceSubrange((row * width)..<((row + 1) * width), with: back[row: place])
        }
      }
      parameters.accumulate(name) { $0.add(productOf: logits, transposed: true, with: part, on: pool) }
    }
    leave(gradient, at: states)
    return losses
  }

  /// What a loss says of a value, for when the tape runs back.
  func leave(_ gradient: Matrix, at variable: Variable) {
    guard variable.needsGradient else { return }
    tape.record { [pool] in variable.accumulate(gradient, on: pool) }
  }
}

/// log Σ exp(x).
func logSumExp(_ x: [Float]) -> Float { pith_log_sum_exp(x, x.count) }
