import PithQuantization
import PithTensors

/// OBD (LeCun et al., NeurIPS 1989): the weights of least saliency h_jj·w_ij²/2 go, H taken for diagonal; nothing makes up
/// for them.
enum OptimalBrainDamage {
  static func prune(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let scores = weight.scored { weight, column in statistics.hessian[column, column] * weight * weight / 2 }
    return try SparseStorage.store(weight, scores, options, on: pool)
  }
}
