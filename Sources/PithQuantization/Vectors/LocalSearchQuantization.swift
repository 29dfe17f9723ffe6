import PithTensors
import PithWeights

/// Additive quantization whose codes are found by local search with random disturbances instead of a beam.
///
/// Sources: Martinez et al., *Revisiting additive quantization*, ECCV 2016; *LSQ++*, ECCV 2018. See `LocalSearch`.
enum LocalSearchQuantization {
  /// Disturbances of each run in each sweep.
  static let rounds = 16

  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let layout = VectorCodebook.Layout(
      dimension: options.dimension, codebooks: options.codebooks, bits: options.bits)
    return try CompressedMatrix(
      vectorsOf: weight, statistics, options, layout: layout,
      search: search(codebooks: layout.codebooks, bits: layout.bits, seed: options.seed), on: pool)
  }

  /// The fit of vectors of any kind, each the sum of `codebooks` codewords.
  static func fit(columns: Int, codebooks: Int, bits: Int, iterations: Int, seed: UInt64) -> VectorFit {
    VectorFit(
      layout: VectorCodebook.Layout(dimension: columns, codebooks: codebooks, bits: bits),
      search: search(codebooks: codebooks, bits: bits, seed: seed), iterations: iterations, seed: seed)
  }

  private static func search(codebooks: Int, bits: Int, seed: UInt64) -> CodeSearch {
    let width = AdditiveQuantization.beamWidth(codebooks: codebooks, bits: bits)
    return .local(width: width, rounds: rounds, seed: seed)
  }
}
