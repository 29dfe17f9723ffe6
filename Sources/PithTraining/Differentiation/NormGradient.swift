import CPithKernels
import PithModels
import PithTensors

/// The gradients of a norm.
enum NormGradient {
  /// Runs of columns are shared among so many parts, whose sums are added in their order: the result does not depend on the
  /// number of threads.
  private static let parts = 16

  /// The gradients of the input, of the scales and of what is added, from that of the result.
  static func of(_ norm: Norm, at x: Matrix, _ dy: Matrix, on pool: ThreadPool) -> (
    x: Matrix, scale: Matrix, shift: Matrix
  ) {
    let width = norm.weight.count
    let runs = x.values.count / width
    let size = max(1, (runs + parts - 1) / parts)
    var sums = [Float](repeating: 0, count: 2 * parts * width)
    let dx = Matrix(rows: x.rows, columns: x.columns) { target in
      sums.withUnsafeMutableBufferPointer { sums in
        x.values.withUnsafeBufferPointer { x in
          dy.values.withUnsafeBufferPointer { dy in
            guard let start = target.baseAddress else { return }
            nonisolated(unsafe) let (x, dy, to) = (x.baseAddress!, dy.baseAddress!, start)
            nonisolated(unsafe) let sums = sums.baseAddress!
            pool.forEach(count: (runs + size - 1) / size, grain: 1) { range in
              for part in range {
                let scale = sums + 2 * part * width
                for run in (part * size)..<min((part + 1) * size, runs) {
                  let start = run * width
                  switch norm.kind {
                  case .rootMeanSquare:
                    pith_rms_norm_gradient(
                      x + start, norm.weight, norm.epsilon, dy + start, width, to + start, scale)
                  case .layer:
                    pith_layer_norm_gradient(
                      x + start, norm.weight, norm.epsilon, dy + start, width, to + start, scale,
                      scale + width)
                  }
                }
              }
            }
          }
        }
      }
    }
    func total(_ offset: Int) -> Matrix {
      var total = Matrix(rows: 1, columns: width)
      for part in 0..<parts {
        for column in 0..<width { total.values[column] += sums[(2 * part + offset) * width + column] }
      }
      return total
    }
    return (dx, total(0), total(1))
  }
}
