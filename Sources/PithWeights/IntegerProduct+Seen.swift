import PithTensors

extension IntegerProduct {
  /// What is multiplied of some activations: each token as the integers stand for it, outliers as they are.
  package func seen(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    var isOutlier = [Bool](repeating: false, count: x.columns)
    for column in outlierColumns(of: x) { isOutlier[column] = true }
    var seen = x
    let columns = x.columns
    seen.values.withUnsafeMutableBufferPointer { values in
      nonisolated(unsafe) let values = values
      pool.forEach(count: x.rows, grain: 16) { rows in
        for row in rows {
          let token = UnsafeMutableBufferPointer(rebasing: values[(row * columns)..<((row + 1) * columns)])
          let inliers = token.indices.lazy.filter { !isOutlier[$0] }
          let (least, most) = inliers.reduce((Float(0), Float(0))) {
            (min($0.0, token[$1]), max($0.1, token[$1]))
          }
          switch activations {
          case .int8:
            let scale = max(-least, most) / 127
            for column in inliers where scale > 0 {
              token[column] = scale * (token[column] / scale).rounded(.toNearestOrEven)
            }
          case .int4:
            let scale = (most - least) / 15
            guard scale > 0 else { continue }
            let zero = (-least / scale).rounded(.toNearestOrEven)
            for column in inliers {
              let code = (token[column] / scale).rounded(.toNearestOrEven) + zero
              token[column] = scale * (min(max(code, 0), 15) - zero)
            }
          }
        }
      }
    }
    return seen
  }
}
