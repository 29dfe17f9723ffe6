import PithTensors
import PithWeights

/// QUIK (Ashkboos et al., arXiv 2310.09259): weights and activations in 4 bits, multiplied as integers, and the few
/// columns whose inputs are largest apart in 16 bits.
///
/// The outlier columns come last in GPTQ's order and are not quantized, so that they make up for what all others leave.
/// Weights are symmetric integers with a scale per row; activations are quantized token by token: asymmetric in 4 bits,
/// symmetric in 8, which the paper takes for down-projections.
enum QUIK {
  /// Kernels multiply integers of 4 and of 8 bits.
  static func check(_ options: MethodOptions) throws(MethodError) {
  }

  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let columns = weight.columns
    guard columns <= InputTransform.largestPermutation else {
      throw .tooWide(columns, allowed: InputTransform.largestPermutation)
    }
    let byMagnitude = (0..<columns).sorted {
      (statistics.maxMagnitude[$0], $1) > (statistics.maxMagnitude[$1], $0)
    }
    let kept = min(columns - 1, Int((options.outlierShare * Float(columns)).rounded()))
    let outliers = byMagnitude.prefix(kept).sorted()
    let isOutlier = Set(outliers)
    let order = (0..<columns).filter { !isOutlier.contains($0) } + outliers
    let base = columns - kept

    let factor = try InverseFactor(statistics, order: order, damping: options.damping)
    let weight = weight.settingToZero(columns: factor.deadColumns)
    let fit = AffineFit(bits: options.bits, symmetric: true, range: options.rangeSearch)
    let blocks = stride(from: 0, to: columns, by: 128).map {
      SweepBlock(columns: $0..<min($0 + 128, columns), fitting: $0 == 0 ? 0..<base : $0..<$0)
    }
    let rows = GPTQ.sweep(weight, factor, blocks: blocks, on: pool) { _ in QUIKRow(fit: fit, base: base) }
    if let row = rows.firstIndex(where: { !$0.grid!.scale.isFinite || !$0.kept.allSatisfy(\.isFinite) }) {
      throw .tooLarge(row: row, column: 0)
    }
    let integers = StoredMatrix.integer(
      RowIntegers.product(
        codes: Packing.pack(rows.flatMap(\.codes), rows: weight.rows, bits: options.bits),
        scales: rows.map { $0.grid!.scale }, columns: base, bits: options.bits,
        activations: options.bits == 4 ? .int4 : .int8))
    guard kept > 0 else { return CompressedMatrix(integers, notes: factor.notes) }
    let apart = Dense(
      rows: weight.rows, columns: kept, format: .float16,
      values: Bytes(copying: rows.flatMap(\.kept).map(Half.encode)))
    let permutation = Bytes(copying: order.map { UInt16($0).littleEndian })
    return CompressedMatrix(
      .transformed(Transformed(.permutation(permutation), .split(ColumnSplit([integers, .dense(apart)])))),
      notes: factor.notes)
  }
}

/// One row: integers up to the outliers, which stay float16.
private struct QUIKRow: SweepRow {
  let fit: AffineFit
  let base: Int
  var grid: AffineGrid?
  var codes: [UInt8] = []
  var kept: [Float] = []

  init(fit: AffineFit, base: Int) {
    self.fit = fit
    self.base = base
  }

  mutating func fit(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>) {
    grid = fit.fit(weights)
  }

  mutating func quantize(_ weight: Float, at position: Int) -> Float {
    guard position < base, let grid else {
      kept.append(Half.decode(Half.encode(weight)))
      return kept[kept.count - 1]
    }
    codes.append(grid.code(weight))
    return grid.value(codes[codes.count - 1])
  }
}
