import PithQuantization
import PithTensors
import PithWeights

/// SparseGPT (Frantar and Alistarh, arXiv 2301.00774, algorithm 1): GPTQ's sweep, in which some weights become 0 and the
/// columns still to come make up for them, and for the rounding of the others, where they are quantized in the same pass.
///
/// With U the upper Cholesky factor of H⁻¹, the harm of removing w_i is w_i²/U_ii². A mask is chosen for a block of columns
/// (128, or a group of scales), over all rows together, when the errors of all columns before have reached it; a
/// pattern of n:m is chosen in each row as the sweep arrives at its m columns. With `dynamic`, blocks lose different
/// shares: whatever does less harm than a limit, below which the wanted share of the weights as they came lies.
enum SparseGPT {
  static func prune(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let factor = try InverseFactor(statistics, order: Array(0..<weight.columns), damping: options.damping)
    let weight = weight.settingToZero(columns: factor.deadColumns)
    let (matrix, notes): (StoredMatrix, [CompressedMatrix.Note])
    switch SurvivorFormat(options) {
    case .float16:
      let rows = sweep(weight, factor, options, AffineFit?.none, on: pool)
      let mask = mask(rows, weight.columns)
      matrix = try SparseStorage.float16(weight.replaced(by: rows), mask, options)
      notes = SparseStorage.notes(mask, options)
    case .integers(let fit): (matrix, notes) = try coded(weight, factor, options, fit, on: pool)
    case .table(let fit): (matrix, notes) = try coded(weight, factor, options, fit, on: pool)
    }
    return CompressedMatrix(matrix, notes: factor.notes + notes)
  }

  private static func coded<Fit: SurvivorFit>(
    _ weight: Matrix, _ factor: InverseFactor, _ options: MethodOptions, _ fit: Fit, on pool: ThreadPool
  ) throws(MethodError) -> (StoredMatrix, [CompressedMatrix.Note]) {
    let rows = sweep(weight, factor, options, fit, on: pool)
    let mask = mask(rows, weight.columns)
    let matrix = try SparseStorage.coded(
      weight.replaced(by: rows), mask, rows.flatMap(\.groups), fit, options)
    return (matrix, SparseStorage.notes(mask, options))
  }

  private static func mask(_ rows: [some SparseSweepRow], _ columns: Int) -> PruningMask {
    var mask = PruningMask(rows: rows.count, columns: columns)
    mask.keeps = rows.flatMap(\.keeps)
    return mask
  }

  /// The rows after the sweep.
  private static func sweep<Fit: SurvivorFit>(
    _ weight: Matrix, _ factor: InverseFactor, _ options: MethodOptions, _ fit: Fit?, on pool: ThreadPool
  ) -> [SparseRow<Fit>] {
    let harm = (0..<weight.columns).map { 1 / (factor.upper[$0, $0] * factor.upper[$0, $0]) }
    let groupSize = fit == nil ? weight.columns : options.groupSize(of: weight)
    switch options.sparsity {
    case .pattern(let zeros, let count):
      let blocks = blocks(weight.columns, groupSize, run: count)
      return GPTQ.sweep(weight, factor, blocks: blocks, on: pool) { _ in
        SparseRow(fit: fit, harm: harm, pattern: (zeros, count))
      }
    case .share(let share):
      func blockwise(_ scores: Matrix) -> Matrix { options.block.map(scores.means) ?? scores }
      // What the rounding of one block took too few or too many, in weights, the next ones take.
      var owed = 0.0
      let limit =
        options.dynamic ? limit(blockwise(weight.scored { $0 * $0 * harm[$1] }), share) : nil
      return GPTQ.sweep(
        weight, factor, blocks: blocks(weight.columns, groupSize, run: 0), on: pool,
        arrive: { block, columns, rows in
          let scores = columns.scored { $0 * $0 * harm[block.columns.lowerBound + $1] }
          let wanted = owed + Double(share) * Double(scores.values.count)
          let own = Float(min(max(wanted / Double(scores.values.count), 0), 1))
          let mask =
            limit.map { PruningMask(scores, above: $0, block: options.block) }
            ?? PruningMask(scores, .share(own), scope: .matrix, block: options.block, on: pool)
          owed = wanted - Double(mask.keeps.count { !$0 })
          for row in rows.indices {
            rows[row].keeps += mask.keeps[(row * mask.columns)..<((row + 1) * mask.columns)]
          }
        }
      ) { _ in SparseRow(fit: fit, harm: harm, pattern: nil) }
    }
  }

  /// The harm that a share of all weights lies at or below.
  private static func limit(_ harm: Matrix, _ share: Float) -> Float {
    let count = PruningMask.count(share, of: harm.values.count)
    return count == 0 ? -.infinity : value(at: count - 1, ofSorted: harm.values)
  }

  /// Blocks of at most about 128 columns, of whole runs, that end where groups end.
  private static func blocks(_ columns: Int, _ groupSize: Int, run: Int) -> [SweepBlock] {
    let size = run == 0 ? 128 : max(128 / run, 1) * run
    return stride(from: 0, to: columns, by: groupSize).flatMap { start in
      let end = min(start + groupSize, columns)
      return stride(from: start, to: end, by: size).map {
        SweepBlock(
          columns: $0..<min($0 + size, end), fitting: $0 == start ? start..<end : $0..<$0, run: run)
      }
    }
  }
}

/// What is left of one row after a sweep.
private protocol SparseSweepRow {
  /// Which weights stay.
  var keeps: [Bool] { get }
  /// The weights, 0 where they do not.
  var values: [Float] { get }
}

/// One row of SparseGPT's sweep.
private struct SparseRow<Fit: SurvivorFit>: SweepRow, SparseSweepRow {
  /// How what stays is quantized; nil for float16.
  let fit: Fit?
  /// 1/U_ii² of each column.
  let harm: [Float]
  let pattern: (zeros: Int, count: Int)?
  var keeps: [Bool] = []
  var values: [Float] = []
  var groups: [Fit.Group] = []

  init(fit: Fit?, harm: [Float], pattern: (zeros: Int, count: Int)?) {
    self.fit = fit
    self.harm = harm
    self.pattern = pattern
  }

  mutating func fit(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>) {
    guard let fit else { return }
    // Of a pattern or of later blocks it is not known yet what stays; 0 lies on every grid.
    let survivors = weights.enumerated().map { index, weight in
      let position = positions.lowerBound + index
      return position < keeps.count && !keeps[position] ? 0 : weight
    }
    groups.append(survivors.withUnsafeBufferPointer { fit.fit($0) })
  }

  mutating func choose(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>) {
    guard let pattern else { return }
    var chosen = [Bool](repeating: true, count: positions.count)
    if positions.count == pattern.count {
      let scores = zip(positions, weights).map { $1 * $1 * harm[$0] }
      scores.withUnsafeBufferPointer { scores in
        chosen.withUnsafeMutableBufferPointer { PruningMask.remove(pattern.zeros, scores, $0) }
      }
    }
    keeps += chosen
  }

  mutating func quantize(_ weight: Float, at position: Int) -> Float {
    var value: Float = 0
    if keeps[position] {
      if let fit {
        let group = groups[groups.count - 1]
        value = fit.value(fit.code(weight, group), group)
      } else {
        value = Half.decode(Half.encode(weight))
      }
    }
    values.append(value)
    return value
  }
}

extension Matrix {
  /// The matrix of the rows of a sweep.
  fileprivate func replaced(by rows: [some SparseSweepRow]) -> Matrix {
    Matrix(rows: self.rows, columns: columns, values: rows.flatMap(\.values))
  }
}
