import PithTensors
import PithWeights

/// GPTQ (Frantar et al., arXiv 2210.17323, algorithm 1): the columns are quantized one after the other, and each one's
/// error is made up for by the columns that are still to come.
///
/// H is added up by `InputObserver`; `InverseFactor` dampens it and makes U. What a weight becomes is a `SweepRow`'s.
package enum GPTQ {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
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
      return CompressedMatrix(matrix, notes: factor.notes)
    case .nf4, .af4:
      let values = options.grid == .nf4 ? NormalFloat.values : AbnormalFloat.values(blockSize: groupSize)
      let swept = GroupedSweep(weight, factor, groupSize, options.actOrder, TableFit(values), on: pool)
      return CompressedMatrix(try swept.codebook(), notes: factor.notes)
    }
  }

  /// Goes through the columns of some rows: the inner loops of algorithm 1.
  ///
  /// With U the upper Cholesky factor of H⁻¹, column i takes q = quant(w_i), leaves the error e = (w_i − q)/U_ii, and
  /// every later column j becomes w_j − e·U_ij. Within a block of columns that happens at once; the columns after the
  /// block are updated at its end, with all its errors together.
  ///
  /// - Parameters:
  ///   - slab: the rows w, their columns in the order of the sweep, and the quantizer of each.
  ///   - factor: U.
  ///   - blocks: the positions of the sweep, from the first to the last.
  private static func sweep<Row: SweepRow>(
    _ slab: inout SlabSweep<Row>, _ factor: InverseFactor, _ blocks: [SweepBlock]
  ) {
    // Taken out, so that both change in place.
    var (w, rows) = (slab.weights, slab.rows)
    slab = SlabSweep()
    defer { (slab.weights, slab.rows) = (w, rows) }
    var errors = Slab(columns: w.columns.count)
    for block in blocks {
      for row in rows.indices where !block.fitting.isEmpty {
        w.withLane(row, block.fitting) { rows[row].fit($0, at: block.fitting) }
      }
      for i in block.columns {
        if block.run > 0, (i - block.columns.lowerBound) % block.run == 0 {
          let run = i..<min(i + block.run, block.columns.upperBound)
          for row in rows.indices { w.withLane(row, run) { rows[row].choose($0, at: run) } }
        }
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
  ///   - arrive: called before each block with what its columns have become, one row after the other, where all rows
  ///     are to be seen together; nil lets each row run ahead by itself.
  ///   - make: the quantizer of a row.
  /// - Returns: the quantizers of all rows after the sweep.
  package static func sweep<Row: SweepRow>(
    _ weight: Matrix, _ factor: InverseFactor, blocks: [SweepBlock], on pool: ThreadPool,
    arrive: ((_ block: SweepBlock, _ columns: Matrix, _ rows: inout [Row]) -> Void)? = nil,
    _ make: (_ row: Int) -> Row
  ) -> [Row] {
    var slabs = (0..<((weight.rows + Slab.lanes - 1) / Slab.lanes)).map { slab in
      SlabSweep(weight, slab: slab, factor, make)
    }
    func run(_ blocks: [SweepBlock]) {
      slabs.withUnsafeMutableBufferPointer { slabs in
        nonisolated(unsafe) let slabs = slabs
        pool.forEach(count: slabs.count, grain: 1) { range in
          for slab in range { sweep(&slabs[slab], factor, blocks) }
        }
      }
    }
    guard let arrive else {
      run(blocks)
      return slabs.flatMap(\.rows)
    }
    for block in blocks {
      var rows = slabs.flatMap(\.rows)
      arrive(block, Matrix(slabs.map(\.weights), rows: weight.rows, columns: block.columns), &rows)
      for slab in slabs.indices {
        slabs[slab].rows = Array(rows[(slab * Slab.lanes)..<min((slab + 1) * Slab.lanes, rows.count)])
      }
      run([block])
    }
    return slabs.flatMap(\.rows)
  }
}

/// Rows on their way through a sweep.
private struct SlabSweep<Row: SweepRow> {
  var weights = Slab(columns: 0)
  var rows: [Row] = []

  init() {}

  init(_ weight: Matrix, slab: Int, _ factor: InverseFactor, _ make: (_ row: Int) -> Row) {
    let range = (slab * Slab.lanes)..<min((slab + 1) * Slab.lanes, weight.rows)
    weights = Slab(weight, rows: range, order: factor.order)
    rows = range.map(make)
  }
}

/// Consecutive positions of a sweep.
package struct SweepBlock: Sendable {
  /// The positions, whose errors reach the positions after them together.
  package let columns: Range<Int>

  /// What the quantizers of rows get to see before: the group that begins here, or nothing.
  package let fitting: Range<Int>

  /// Positions that a row gets to see just before they are quantized, at the first of each so many; 0 for none.
  package let run: Int

  /// A block.
  package init(columns: Range<Int>, fitting: Range<Int>, run: Int = 0) {
    self.columns = columns
    self.fitting = fitting
    self.run = run
  }
}

/// What quantizes, or prunes, one row during a sweep.
package protocol SweepRow {
  /// The weights at some positions, which the errors of all earlier blocks have reached: time to choose scales.
  mutating func fit(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>)

  /// The weights at the positions of a run, which all earlier errors have reached: time to choose a mask.
  mutating func choose(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>)

  /// The value that the weight at a position gets.
  mutating func quantize(_ weight: Float, at position: Int) -> Float
}

extension SweepRow {
  /// Rows without masks choose nothing.
  package mutating func choose(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>) {}
}
