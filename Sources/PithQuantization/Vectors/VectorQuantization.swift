import PithLinearAlgebra
import PithTensors
import PithWeights

/// Vector quantization of a weight: one codebook for all runs of `dimension` columns of all rows, which have scales.
///
/// See `VectorKMeans` for the codebook, `VectorFit` for the layer loss.
enum VectorQuantization {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let layout = VectorCodebook.Layout(dimension: options.dimension, codebooks: 1, bits: options.bits)
    return try CompressedMatrix(
      vectorsOf: weight, statistics, options, layout: layout, search: .beam(width: 1), on: pool)
  }
}

extension CompressedMatrix {
  /// A weight in sums of codewords, with scales per row, by the loss that the options ask for.
  init(
    vectorsOf weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions,
    layout: VectorCodebook.Layout, search: CodeSearch, behind rotation: BlockRotation? = nil,
    on pool: ThreadPool
  ) throws(MethodError) {
    // No row is scaled by more than its largest weight.
    if let index = weight.values.firstIndex(where: { !Half.decode(Half.encode($0)).isFinite }) {
      throw .valueTooLarge(row: index / weight.columns, column: index % weight.columns)
    }
    let fit = VectorFit(layout: layout, search: search, iterations: options.iterations, seed: options.seed)
    var (wanted, notes) = (weight, [Note]())
    if let dead = statistics?.deadColumns, !dead.isEmpty, options.loss != .plain {
      for row in 0..<weight.rows { for column in dead { wanted[row, column] = 0 } }
      notes.append(.deadColumns(dead.count))
    }
    // With E = E′·R, tr(E·H·Eᵀ) = tr(E′·(R·H·Rᵀ)·E′ᵀ).
    let transform = rotation.map { InputTransform.blockRotation($0) }
    var hessian = statistics?.hessian
    if let transform {
      hessian = hessian.map { transform.apply(transform.apply($0, on: pool).transposed, on: pool) }
      wanted = transform.behind(wanted, on: pool)
    }
    var metric = LossMetric(options.loss, hessian, columns: weight.columns)
    let (factor, raised) = metric.factor()
    if let raised { notes.append(.raisedDamping(raised)) }
    let fitted = fit.fitted(to: wanted, metric, factor: factor, isScaled: true, on: pool)
    let matrix = StoredMatrix.vectors(fitted.storage)
    self.init(transform.map { .transformed(Transformed($0, matrix)) } ?? matrix, notes: notes)
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
