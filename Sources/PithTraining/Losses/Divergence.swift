import CPithKernels
import PithModels
import PithTensors

extension Differentiation {
  /// The mean of soft · T² KL(softmax(t/T) ‖ softmax(s/T)) + (1 − soft) · cross-entropy of rows of logits (Hinton et al., arXiv
  /// 1503.02531).
  ///
  /// - Parameters:
  ///   - teacher: the teacher's logits t.
  ///   - targets: the class of each row.
  ///   - temperature: T.
  ///   - soft: the share of the teacher's part.
  ///   - weight: what the gradient is multiplied by.
  public func divergence(
    _ logits: Variable, from teacher: Matrix, targets: [Int32], temperature: Float, soft: Float,
    weight: Float = 1
  ) -> Double {
    var gradient = logits.value
    var taught = teacher
    let columns = logits.value.columns
    var sum = 0.0
    gradient.values.withUnsafeMutableBufferPointer { student in
      taught.values.withUnsafeMutableBufferPointer { teacher in
        for (row, target) in targets.enumerated() {
          sum += Double(
            pith_distillation(
              student.baseAddress! + row * columns, teacher.baseAddress! + row * columns, columns,
              Int(target),
              temperature, soft, weight / Float(max(1, targets.count))))
        }
      }
    }
    leave(gradient, at: logits)
    return sum / Double(max(1, targets.count))
  }

  /// The same of states behind an output head, without all logits at one time.
  ///
  /// - Parameter teacher: the teacher's logits of some rows.
  public func divergence(
    _ states: Variable, behind head: Linear, from teacher: @escaping ([Int]) -> Matrix, targets: [Int32],
    temperature: Float, soft: Float, weight: Float = 1
  ) -> Double {
    let rows = Array(targets.indices)
    let share = weight / Float(max(1, rows.count))
    let losses = score(states, behind: head, rows: rows, beside: teacher) { place, logits, taught in
      pith_distillation(
        logits.baseAddress!, taught!, logits.count, Int(targets[place]), temperature, soft, share)
    }
    return losses.reduce(0) { $0 + Double($1) } / Double(max(1, rows.count))
  }

  /// The mean of 1 − cos of rows and those of a teacher (Sanh et al., arXiv 1910.01108).
  public func cosineDistance(_ states: Variable, to teacher: Matrix, weight: Float = 1) -> Double {
    precondition(
      states.value.rows == teacher.rows && states.value.columns == teacher.columns, "states of one shape")
    let (rows, columns) = (teacher.rows, teacher.columns)
    var losses = [Float](repeating: 0, count: rows)
    let gradient = Matrix(rows: rows, columns: columns) { target in
      states.value.values.withUnsafeBufferPointer { s in
        teacher.values.withUnsafeBufferPointer { t in
          for row in 0..<rows {
            let (s, t) = (s.baseAddress! + row * columns, t.baseAddress! + row * columns)
            var (along, length, other): (Float, Float, Float) = (0, 0, 0)
            for i in 0..<columns {
              along += s[i] * t[i]
              length += s[i] * s[i]
              other += t[i] * t[i]
            }
            let product = max((length * other).squareRoot(), .leastNormalMagnitude)
            losses[row] = 1 - along / product
            // d cos / ds = t / (|s||t|) − cos · s / |s|².
            let pull = along / (product * max(length, .leastNormalMagnitude))
            for i in 0..<columns {
              target[row * columns + i] = -weight / Float(rows) * (t[i] / product - pull * s[i])
            }
          }
        }
      }
    }
    leave(gradient, at: states)
    return losses.reduce(0) { $0 + Double($1) } / Double(max(1, rows))
  }
}
