import PithQuantization
import PithTensors

/// Magnitude pruning: the weights nearest to 0 go.
///
/// In the scope of a model, those go that `MagnitudeCutoff` found in all its matrices. Source: Han et al., Learning both weights and connections, NeurIPS 2015.
enum Magnitude {
  static func prune(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let scores = Matrix(rows: weight.rows, columns: weight.columns, values: weight.values.map(abs))
    guard options.scope == .model, let cutoff = options.cutoff else {
      return try SparseStorage.store(weight, scores, options, on: pool)
    }
    let mask = PruningMask(scores, below: cutoff.magnitude, orFirst: cutoff.equal)
    do {
      return CompressedMatrix(try SparseStorage.store(weight, mask, options, on: pool))
    } catch .largerThanDense where options.bits == 16 {
      // How many weights of this matrix go was nobody's choice.
      return CompressedMatrix(try Float16.quantize(weight.applying(mask), options, pool))
    }
  }
}
