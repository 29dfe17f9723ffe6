import PithLinearAlgebra
import PithTensors
import PithWeights

/// Vector quantization of a weight: one codebook for all runs of `dimension` columns of all rows, which have scales.
///
/// Source: METHODS, vector quantization; see `VectorKMeans` for the codebook, `VectorFit` for the layer loss.
enum VectorQuantization {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: QuantizationOptions, _ pool: ThreadPool
  ) throws(QuantizationError) -> QuantizedMatrix {
    let layout = VectorCodebook.Layout(dimension: options.dimension, codebooks: 1, bits: options.bits)
    return try QuantizedMatrix(
      vectorsOf: weight, statistics, options, layout: layout, search: .beam(width: 1), on: pool)
  }
}

extension QuantizedMatrix {
  /// A weight in sums of codewords, with scales per row, by the loss that the options ask for.
  init(
    vectorsOf weight: Matrix, _ statistics: InputStatistics?, _ options: QuantizationOptions,
    layout: VectorCodebook.Layout, search: CodeSearch, behind rotation: BlockRotation? = nil,
    on pool: ThreadPool
  ) throws(QuantizationError) {
    // No row is scaled by more than its largest weight.
    if let index = weight.values.firstIndex(where: { !Half.decode(Half.encode($0)).isFinite }) {
      throw .tooLarge(row: index / weight.columns, column: index % weight.columns)
    }
    let fit = VectorFit(layout: layout, search: search, iterations: options.iterations, seed: options.seed)
    var (wanted, notes) = (weight, [Note]())
    if let dead = statistics?.deadColumns, !dead.isEmpty, options.loss != .plain {
      for row in 0..<weight.rows { for column in dead { wanted[row, column] = 0 } }
      notes.append(.deadColumns(dead.count))
    }
    var metric = LossMetric(options.loss, statistics?.hessian, columns: weight.columns)
    guard let rotation else {
      self.init(.vectors(fit.fitted(to: wanted, metric, isScaled: true, on: pool).storage), notes: notes)
      return
    }
    // With E = E′·R, tr(E·H·Eᵀ) = tr(E′·(R·H·Rᵀ)·E′ᵀ).
    let transform = InputTransform.blockRotation(rotation)
    let rotated = statistics.map {
      transform.apply(transform.apply($0.hessian, on: pool).transposed, on: pool)
    }
    metric = LossMetric(options.loss, rotated, columns: weight.columns)
    let inner = fit.fitted(to: transform.behind(wanted, on: pool), metric, isScaled: true, on: pool)
    self.init(.transformed(Transformed(transform, .vectors(inner.storage))), notes: notes)
  }
}

extension VectorApproximation {
  /// The approximation as it is stored.
  var storage: VectorCodebook {
    VectorCodebook(
      rows: rows, columns: columns, layout: layout,
      codes: Packing.pack(codes, rows: rows, bits: layout.bits),
      tables: Bytes(copying: tables.map(Half.encode)),
      scales: scales.map { Bytes(copying: $0.map(Half.encode)) })
  }
}
