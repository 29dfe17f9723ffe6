import PithTensors
import PithWeights

/// Additive quantization: each vector is the sum of one codeword from each of `codebooks` codebooks, all of them of its
/// full dimension. Codes are found by beam search, codebooks by least squares.
///
/// Sources: Babenko and Lempitsky, *Additive quantization for extreme vector compression*, CVPR 2014; on the layer loss
/// AQLM (arXiv 2401.06118). See `BeamSearch`, `VectorFit`.
enum AdditiveQuantization {
  /// The ways that the search keeps: of two codebooks with few codes all, since choosing among them would take longer.
  static func beamWidth(codebooks: Int, bits: Int) -> Int {
    codebooks == 2 && bits <= 6 ? 1 << bits : 32
  }

  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let layout = VectorCodebook.Layout(
      dimension: options.dimension, codebooks: options.codebooks, bits: options.bits)
    let width = beamWidth(codebooks: layout.codebooks, bits: layout.bits)
    return try CompressedMatrix(
      vectorsOf: weight, statistics, options, layout: layout, search: .beam(width: width), on: pool)
  }

  /// The fit of vectors of any kind, each the sum of `codebooks` codewords.
  static func fit(columns: Int, codebooks: Int, bits: Int, iterations: Int, seed: UInt64) -> VectorFit {
    VectorFit(
      layout: VectorCodebook.Layout(dimension: columns, codebooks: codebooks, bits: bits),
      search: .beam(width: beamWidth(codebooks: codebooks, bits: bits)), iterations: iterations, seed: seed)
  }
}
