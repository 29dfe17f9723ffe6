import CPithKernels
import PithModels
import PithTensors

extension Differentiation {
  /// The mean over rows of |x − y|² / |y|²: a few tokens whose states are a hundred times as long as others' do not outweigh them.
  public func relativeError(_ states: Variable, to target: Matrix, weight: Float = 1) -> Double {
    let (gradient, loss) = RelativeError.of(states.value, to: target, weight: weight, on: pool)
    leave(gradient, at: states)
    return loss
  }
}

enum RelativeError {
  /// The error, and `weight` times its gradient.
  static func of(_ x: Matrix, to y: Matrix, weight: Float, on pool: ThreadPool) -> (
    gradient: Matrix, loss: Double
  ) {
    precondition(x.rows == y.rows && x.columns == y.columns, "states of one shape")
    let columns = x.columns
    var losses = [Float](repeating: 0, count: x.rows)
    let gradient = Matrix(rows: x.rows, columns: columns) { target in
      x.values.withUnsafeBufferPointer { x in
        y.values.withUnsafeBufferPointer { y in
          losses.withUnsafeMutableBufferPointer { losses in
            guard let start = target.baseAddress else { return }
            nonisolated(unsafe) let (x, y, to, losses) = (x.baseAddress!, y.baseAddress!, start, losses)
            pool.forEach(count: losses.count, grain: 16) { rows in
              for row in rows {
                let (x, y, to) = (x + row * columns, y + row * columns, to + row * columns)
                var (apart, size): (Float, Float) = (0, 0)
                for i in 0..<columns {
                  to[i] = x[i] - y[i]
                  apart += to[i] * to[i]
                  size += y[i] * y[i]
                }
                size = max(size, .leastNormalMagnitude)
                losses[row] = apart / size
                let factor = 2 * weight / (size * Float(losses.count))
                for i in 0..<columns { to[i] *= factor }
              }
            }
          }
        }
      }
    }
    return (gradient, losses.reduce(0) { $0 + Double($1) } / Double(max(1, x.rows)))
  }
}
