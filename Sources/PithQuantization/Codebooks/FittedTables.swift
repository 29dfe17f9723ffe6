import PithTensors
import PithWeights

/// The weights that one table is fitted to: a row, or the whole matrix, each in units of its group's scale.
struct Samples {
  /// The scaled weights, row after row.
  let values: [Float]

  /// How much each matters: as its column does. Nil where all columns matter the same.
  let importance: [Float]?

  /// How much each counts in the squared error of the weights: its importance times its scale squared. Nil where all
  /// are 1.
  let masses: [Float]?

  /// The rows of a weight; `diagonal` says how much each column matters.
  init(_ weight: Matrix, rows: Range<Int>, scales: GroupScales?, diagonal: [Float]?) {
    let range = (rows.lowerBound * weight.columns)..<(rows.upperBound * weight.columns)
    importance = diagonal.map { diagonal in rows.flatMap { _ in diagonal } }
    guard let scales else {
      values = Array(weight.values[range])
      masses = importance
      return
    }
    var values: [Float] = []
    var masses: [Float] = []
    values.reserveCapacity(range.count)
    masses.reserveCapacity(range.count)
    for row in rows {
      for group in 0..<scales.groups {
        let scale = scales.values[row * scales.groups + group]
        let divisor = scale == 0 ? .infinity : scale
        for column in weight.columns(ofGroup: group, size: scales.groupSize) {
          values.append(weight[row, column] / divisor)
          masses.append(scale * scale * (diagonal?[column] ?? 1))
        }
      }
    }
    self.values = values
    self.masses = masses
  }
}

extension Codebook {
  /// The storage of a weight in tables fitted to it: one for each row, or one for all.
  ///
  /// - Parameter fit: the table for some weights; with tables per row its values must be float16.
  /// - Throws: `MethodError.tooLarge` if float16 cannot hold a scale, or a value of a row's table.
  init(
    fitting weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions,
    on pool: ThreadPool, fit: (Samples) -> CodeTable
  ) throws(MethodError) {
    let scales = options.groupSize.map {
      GroupScales(absmaxOf: weight, groupSize: $0, format: .float16, on: pool)
    }
    if let scales, let index = scales.values.firstIndex(where: { !$0.isFinite }) {
      throw .tooLarge(row: index / scales.groups, column: index % scales.groups * scales.groupSize)
    }
    let diagonal: [Float]? =
      switch LossMetric(options.loss, statistics?.hessian, columns: weight.columns) {
      case .plain: nil
      case let metric: metric.diagonal
      }
    let parts = options.tablePerRow ? weight.rows : 1
    let rowsPerTable = weight.rows / parts
    let tables = [CodeTable](unsafeUninitializedCapacity: parts) { target, filled in
      let target = target
      pool.forEach(count: parts, grain: 1) { range in
        for part in range {
          let rows = (part * rowsPerTable)..<((part + 1) * rowsPerTable)
          target.initializeElement(
            at: part, to: fit(Samples(weight, rows: rows, scales: scales, diagonal: diagonal)))
        }
      }
      filled = parts
    }
    if options.tablePerRow, let row = tables.firstIndex(where: { !$0.values.allSatisfy(\.isFinite) }) {
      throw .tooLarge(row: row, column: 0)
    }
    func table(ofRow row: Int) -> CodeTable { tables[options.tablePerRow ? row : 0] }
    let values = tables.flatMap(\.values)
    self.init(
      rows: weight.rows, columns: weight.columns, bits: options.bits,
      codes: scales?.encode(weight, bits: options.bits, on: pool, table: table)
        ?? weight.packedRows(bits: options.bits, on: pool) { row, weights, codes in
          table(ofRow: row).encode(weights, scale: 1, into: codes)
        },
      tables: options.tablePerRow ? Bytes(copying: values.map(Half.encode)) : Bytes(copying: values),
      tablePerRow: options.tablePerRow, groupSize: scales?.groupSize ?? weight.columns,
      scales: scales?.storage)
  }
}
