import PithTensors

extension Matrix {
  /// Rows are taken in so many parts, whose sums are added in order: the result does not depend on the number of threads.
  private static let parts = 8

  /// The sums over rows of what `body` adds to zeros shaped like some matrices.
  static func summed(
    rows: Int, on pool: ThreadPool?, like shapes: [Matrix], _ body: (_ row: Int, inout [Matrix]) -> Void
  ) -> [Matrix] {
    var sums = (0..<parts).map { _ in shapes.map { Matrix(rows: $0.rows, columns: $0.columns) } }
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      func run(_ range: Range<Int>) {
        for part in range {
          for row in (part * rows / parts)..<((part + 1) * rows / parts) { body(row, &sums[part]) }
        }
      }
      if let pool { pool.forEach(count: parts, grain: 1, run) } else { run(0..<parts) }
    }
    var total = sums[0]
    for part in sums.dropFirst() {
      for (index, sum) in part.enumerated() { total[index].add(sum) }
    }
    return total
  }
}
