import PithTensors
import PithWeights

/// Product quantization: vectors are cut in sub-spaces, each with a codebook of its own.
///
/// On a weight a vector is a run of `codebooks` · `dimension` columns, and so sub-spaces come around again and again.
/// Source: Jégou, Douze and Schmid, *Product quantization for nearest neighbor search*, PAMI 33, 2011.
enum ProductQuantization {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    try CompressedMatrix(
      vectorsOf: weight, statistics, options, layout: layout(options, columns: weight.columns),
      search: .beam(width: 1), on: pool)
  }

  /// As many sub-spaces as are asked for, or as a row has.
  static func layout(_ options: MethodOptions, columns: Int) -> VectorCodebook.Layout {
    var layout = VectorCodebook.Layout(dimension: options.dimension, codebooks: 1, bits: options.bits)
    layout.sets = min(options.codebooks, layout.runs(columns))
    return layout
  }

  /// The fit of vectors of any kind with `subspaces` codebooks.
  static func fit(columns: Int, subspaces: Int, bits: Int, iterations: Int, seed: UInt64) -> VectorFit {
    let dimension = (columns + subspaces - 1) / subspaces
    return VectorFit(
      layout: VectorCodebook.Layout(dimension: dimension, codebooks: 1, bits: bits, sets: subspaces),
      search: .beam(width: 1), iterations: iterations, seed: seed)
  }
}
