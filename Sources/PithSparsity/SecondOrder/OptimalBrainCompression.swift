import PithLinearAlgebra
import PithQuantization
import PithTensors

/// OBC (Frantar and Alistarh, arXiv 2208.11580, section 4, there ExactOBS): OBS for each row of a matrix, whose rows share H.
///
/// Each row is emptied weight by weight, which says what each removal costs; the cheapest removals over all rows are
/// then done, each row's in its own order. All in double precision: O(rows · columns³), for
/// small matrices and as an oracle. With the scope of rows, each loses the same share.
enum OptimalBrainCompression {
  static func prune(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let (rows, columns) = (weight.rows, weight.columns)
    let factor = try InverseFactor(statistics, order: Array(0..<columns), damping: options.damping)
    let weight = weight.settingToZero(columns: factor.deadColumns)
    let inverse = factor.inverse
    let traces = rowsOnAllThreads(rows, pool) { row in
      var surgeon = OptimalBrainSurgeon(weight[row: row].map(Double.init), inverse: inverse)
      var losses: [Double] = []
      while let removed = surgeon.removeLeast() { losses.append(removed.loss) }
      return losses
    }
    let counts = counts(traces, columns, options)
    let pruned = rowsOnAllThreads(rows, pool) { row in
      var surgeon = OptimalBrainSurgeon(weight[row: row].map(Double.init), inverse: inverse)
      for _ in 0..<counts[row] { _ = surgeon.removeLeast() }
      return surgeon
    }
    var (result, mask) = (weight, PruningMask(rows: rows, columns: columns))
    for (row, surgeon) in pruned.enumerated() {
      for column in 0..<columns { result[row, column] = Float(surgeon.weights[column]) }
      for column in Set(0..<columns).subtracting(surgeon.left) { mask.keeps[row * columns + column] = false }
    }
    return CompressedMatrix(
      try SparseStorage.store(result, mask, options, on: pool), notes: factor.notes)
  }

  /// How many weights each row loses.
  private static func counts(_ traces: [[Double]], _ columns: Int, _ options: MethodOptions) -> [Int] {
    guard case .share(let share) = options.sparsity else { preconditionFailure("patterns are refused") }
    guard options.scope == .matrix else {
      return traces.map { _ in PruningMask.count(share, of: columns) }
    }
    // A removal may turn out cheaper than the one before it, which still must come first.
    let rising = traces.map { trace in
      trace.reduce(into: [Double]()) { $0.append(max($0.last ?? 0, $1)) }
    }
    let all = rising.enumerated().flatMap { row, losses in losses.map { (loss: $0, row: row) } }
    let cheapest = all.sorted { ($0.loss, $0.row) < ($1.loss, $1.row) }
      .prefix(PruningMask.count(share, of: traces.count * columns))
    return cheapest.reduce(into: [Int](repeating: 0, count: traces.count)) { $0[$1.row] += 1 }
  }

  private static func rowsOnAllThreads<Value>(
    _ rows: Int, _ pool: ThreadPool, _ value: (Int) -> Value
  ) -> [Value] {
    Array(unsafeUninitializedCapacity: rows) { target, filled in
      let target = target
      pool.forEach(count: rows, grain: 1) { range in
        for row in range { target.initializeElement(at: row, to: value(row)) }
      }
      filled = rows
    }
  }

  /// Rows are emptied in an order that knows no patterns.
  static func check(_ options: MethodOptions) throws(MethodError) {
    guard case .share = options.sparsity else { throw .patternless(method: "obc") }
  }
}
