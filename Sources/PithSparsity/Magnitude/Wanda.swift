import PithQuantization
import PithTensors

/// Wanda (Sun et al., arXiv 2306.11695): the score of a weight is |w_ij|·‖X_j‖₂, compared within its row.
///
/// With H = 2XᵀX/n, ‖X_j‖₂ is √(H_jj·n/2): the factor is the same for all.
enum Wanda {
  static func prune(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let norms = (0..<weight.columns).map { statistics.hessian[$0, $0].squareRoot() }
    let scores = weight.scored { weight, column in abs(weight) * norms[column] }
    return try SparseStorage.store(weight, scores, options, on: pool)
  }
}

extension Matrix {
  /// A score for each weight, from its value and its column.
  func scored(_ score: (_ weight: Float, _ column: Int) -> Float) -> Matrix {
    Matrix(rows: rows, columns: columns) { target in
      for index in values.indices { target[index] = score(values[index], index % columns) }
    }
  }
}
