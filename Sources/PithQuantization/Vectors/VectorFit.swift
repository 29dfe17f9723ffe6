import PithLinearAlgebra
import PithTensors
import PithWeights

/// What all vector methods share: codes and codebooks are improved in turn, from the start of residual k-means.
///
///     let fit = VectorFit(layout: layout, search: .beam(width: 16), iterations: 8, seed: 1)
///     let tables = fit.fitted(to: training, .plain(columns: 96), isScaled: false, on: pool)
///     let codes = fit.encoded(vectors, tables, on: pool)           // of other vectors, with the same tables
///
/// The rows may be those of a weight, or vectors of any kind.
struct VectorFit: Sendable {
  /// The size of codes and codebooks.
  let layout: VectorCodebook.Layout
  /// How codes are chosen.
  let search: CodeSearch
  /// Alternations of codes and codebooks.
  let iterations: Int
  /// Where random numbers come from.
  let seed: UInt64

  /// Rounds of the k-means that it starts from.
  private static let startRounds = 12
  /// Steps of conjugate gradients in each update of the codebooks.
  private static let updateSteps = 8

  /// Rows as sums of codewords, those fitted to them; tables and scales are float16 numbers.
  ///
  /// - Parameter factor: the Cholesky factor of H⁻¹ for the layer loss, else nil.
  func fitted(
    to weight: Matrix, _ metric: LossMetric, factor: CholeskyFactor? = nil, isScaled: Bool,
    on pool: ThreadPool
  ) -> VectorApproximation {
    let diagonal = metric.diagonal
    let scales = isScaled ? weight.rowScales(diagonal) : nil
    let start = ResidualKMeans(layout: layout, iterations: Self.startRounds, seed: seed)
      .tables(for: weight, scales: scales, diagonal: diagonal, on: pool)
    var fit = VectorApproximation(
      rows: weight.rows, columns: weight.columns, layout: layout, tables: start, scales: scales)
    if let factor {
      fit.sweepForward(toward: weight, factor, search, on: pool)
    } else {
      fit.sweep(toward: weight, metric, search, on: pool)
    }
    for iteration in 0..<iterations {
      fit.updateTables(toward: weight, metric, steps: Self.updateSteps, on: pool)
      if iteration == iterations - 1 { fit.roundTables() }
      fit.updateScales(toward: weight, metric, on: pool)
      // From codes that lean on one another, a sweep goes down to the nearest valley; while codebooks still change much,
      // a forward sweep finds a lower one.
      if let factor, iteration < iterations / 2 {
        fit.sweepForward(toward: weight, factor, search, on: pool)
      }
      fit.sweep(toward: weight, metric, search.reseeded(iteration), on: pool)
    }
    return fit
  }

  /// Other rows with tables that were fitted before; without scales, in the plain metric.
  func encoded(_ vectors: Matrix, _ tables: [Float], on pool: ThreadPool) -> VectorApproximation {
    var codes = VectorApproximation(
      rows: vectors.rows, columns: vectors.columns, layout: layout, tables: tables, scales: nil)
    let metric = LossMetric.plain(columns: vectors.columns)
    codes.sweep(toward: vectors, metric, search, on: pool)
    return codes
  }
}

extension CodeSearch {
  /// The same search with other random numbers.
  fileprivate func reseeded(_ number: Int) -> CodeSearch {
    guard case .local(let width, let rounds, let seed) = self else { return self }
    return .local(width: width, rounds: rounds, seed: seed &+ UInt64(number + 1) &* 0xD1B5_4A32_D192_ED03)
  }
}

extension Matrix {
  /// For each row the root of the mean square, columns counted by a diagonal, rounded to float16.
  func rowScales(_ diagonal: [Float]) -> [Float] {
    let total = diagonal.reduce(0) { $0 + Double($1) }
    return (0..<rows).map { row in
      var sum = 0.0
      for column in 0..<columns {
        let value = Double(self[row, column])
        sum += Double(diagonal[column]) * value * value
      }
      return Half.decode(Half.encode(Float((sum / total).squareRoot())))
    }
  }
}
