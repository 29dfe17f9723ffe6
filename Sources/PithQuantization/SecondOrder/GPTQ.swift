import PithTensors
import PithWeights

/// GPTQ (Frantar et al., arXiv 2210.17323, algorithm 1): the columns are quantized one after the other, and each one's
/// error is made up for by the columns that are still to come.
///
/// H is added up by `InputObserver`; `InverseFactor` dampens it and makes U. What a weight becomes is a `SweepRow`'s.
enum GPTQ {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: QuantizationOptions, _ pool: ThreadPool
  ) throws(QuantizationError) -> QuantizedMatrix {
    let groupSize = min(options.groupSize ?? weight.columns, weight.columns)
    let order = options.actOrder.order(statistics)
    let factor = try InverseFactor(statistics, order: order, damping: options.damping)
    let weight = weight.settingToZero(columns: factor.deadColumns)
    switch options.grid {
    case .affine:
      let grids = AffineFit(bits: options.bits, symmetric: options.symmetric, range: options.rangeSearch)
      let swept = GroupedSweep(weight, factor, groupSize, options.actOrder, grids, on: pool)
      let matrix =
        if let activations = IntegerProduct.Activations(options.activations) {
          try swept.integer(activations)
        } else {
          try swept.affine()
        }
      return QuantizedMatrix(matrix, notes: factor.notes)
    case .nf4, .af4:
      let values = options.grid == .nf4 ? NormalFloat.values : AbnormalFloat.values(blockSize: groupSize)
      let swept = GroupedSweep(weight, factor, groupSize, options.actOrder, TableFit(values), on: pool)
      return QuantizedMatrix(try swept.codebook(), notes: factor.notes)
    }
  }

  /// Goes through the columns of some rows: the inner loops of algorithm 1.
  ///
  /// With U the upper Cholesky factor of H⁻¹, column i takes q = quant(w_i), leaves the error e = (w_i − q)/U_ii, and
  /// every later column j becomes w_j − e·U_ij. Within a block of columns that happens at once; the columns after the
  /// block are updated at its end, with all its errors together.
  ///
  /// - Parameters:
  ///   - w: the rows, their columns in the order of the sweep.
  ///   - factor: U.
  ///   - blocks: the positions of the sweep, from the first to the last.
  ///   - rows: the quantizer of each row.
  private static func sweep<Row: SweepRow>(
    _ w: inout Slab, _ factor: InverseFactor, _ blocks: [SweepBlock], _ rows: inout [Row]
  ) {
    var errors = Slab(columns: w.columns.count)
    for block in blocks {
      for row in rows.indices where !block.fitting.isEmpty {
        w.withLane(row, block.fitting) { rows[row].fit($0, at: block.fitting) }
      }
      for i in block.columns {
        let w_i = w[i]
        var q = w_i
        for row in rows.indices { q[row] = rows[row].quantize(w_i[row], at: i) }
        let e = (w_i - q) / factor.upper[i, i]
        errors[i] = e
        w.subtract(e, times: factor, row: i, upTo: block.columns.upperBound)
      }
      w.subtract(errors, block.columns, times: factor)
    }
  }

  /// Goes through the columns of a weight, each row with a quantizer of its own.
  ///
  /// - Parameters:
  ///   - weight: the weight, its columns as they lie in the model.
  ///   - factor: U, and the order of the columns.
  ///   - blocks: the positions of the sweep, from the first to the last.
  ///   - make: the quantizer of a row.
  /// - Returns: the quantizers of all rows after the sweep.
  static func sweep<Row: SweepRow>(
    _ weight: Matrix, _ factor: InverseFactor, blocks: [SweepBlock], on pool: ThreadPool,
    _ make: (_ row: Int) -> Row
  ) -> [Row] {
    let slabs = (weight.rows + Slab.lanes - 1) / Slab.lanes
    return [Row](unsafeUninitializedCapacity: weight.rows) { target, filled in
      let target = target
      pool.forEach(count: slabs, grain: 1) { range in
        for slab in range {
          let rows = (slab * Slab.lanes)..<min((slab + 1) * Slab.lanes, weight.rows)
          var quantizers = rows.map(make)
          var w = Slab(weight, rows: rows, order: factor.order)
          sweep(&w, factor, blocks, &quantizers)
          for (lane, row) in rows.enumerated() {
            (target.baseAddress! + row).initialize(to: quantizers[lane])
          }
        }
      }
      filled = weight.rows
    }
  }
}

/// Consecutive positions of a sweep.
struct SweepBlock {
  /// The positions, whose errors reach the positions after them together.
  let columns: Range<Int>

  /// What the quantizers of rows get to see before: the group that begins here, or nothing.
  let fitting: Range<Int>
}

/// What quantizes one row during a sweep.
protocol SweepRow {
  /// The weights at some positions, which all earlier errors have reached: time to choose scales, or a mask.
  mutating func fit(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>)

  /// The value that the weight at a position gets.
  mutating func quantize(_ weight: Float, at position: Int) -> Float
}
