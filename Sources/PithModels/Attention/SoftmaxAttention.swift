import CPithKernels
import PithTensors

/// The keys and values that one head of one sequence attends to.
struct HeadMemory {
  /// The first of the keys, one after the other.
  let keys: UnsafePointer<Float>
  /// The distance between two keys.
  let keyStride: Int
  /// The values, transposed: one run of positions for each dimension.
  let values: UnsafePointer<Float>
  /// The distance between two dimensions.
  let valueStride: Int
}

/// Rows of queries of one head, which see a range of positions each.
struct QueryRows {
  /// The first query.
  let queries: UnsafePointer<Float>
  /// Where the first result goes.
  let output: UnsafeMutablePointer<Float>
  /// The distance between two queries, and between two results.
  let stride: Int
  /// The number of queries.
  let count: Int
}

extension HeadMemory {
  /// softmax(scale · Q Kᵀ) V for some rows of one head.
  ///
  /// - Parameters:
  ///   - seen: the positions that row i sees; their lower and upper bounds do not fall with i.
  func answer(_ rows: QueryRows, headDimension: Int, scale: Float, seen: (Int) -> Range<Int>) {
    let first = seen(0).lowerBound
    let reach = seen(rows.count - 1).upperBound - first
    withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.count * reach) { buffer in
      let scores = buffer.baseAddress!
      pith_dot_block(
        rows.queries, rows.stride, rows.count, keys + first * keyStride, keyStride, reach,
        headDimension, scores, reach)
      for row in 0..<rows.count {
        let range = seen(row)
        let start = scores + row * reach
        let (before, after) = (range.lowerBound - first, range.upperBound - first)
        start.update(repeating: 0, count: before)
        pith_softmax(start + before, range.count, scale)
        (start + after).update(repeating: 0, count: reach - after)
      }
      pith_dot_block(
        scores, reach, rows.count, values + first, valueStride, headDimension, reach, rows.output,
        rows.stride)
    }
  }
}
