import PithSparsity
import PithTensors

/// Which heads of a layer stay. Query heads lie in groups that share a key-value head; all groups that stay keep the same
/// number.
struct HeadSelection {
  /// The query heads, rising.
  private(set) var heads: [Int]
  /// The key-value heads, rising.
  private(set) var keyValueHeads: [Int]

  /// Drops whole groups first and then heads of those that are left, each time what costs least.
  ///
  /// - Parameter score: of the columns of the attention's output projection, head by head.
  init(
    from shape: ModelShape, to left: ModelShape, _ score: inout some BlockScore, on pool: ThreadPool
  ) {
    let (dimension, groups) = (shape.headDimension, shape.keyValueHeads ?? shape.heads)
    let each = shape.heads / groups
    keyValueHeads = Array(0..<groups)
    while keyValueHeads.count > left.keyValueHeads ?? left.heads {
      let blocks = keyValueHeads.map { ($0 * each * dimension)..<(($0 + 1) * each * dimension) }
      keyValueHeads.remove(at: score.removeLeast(of: blocks, on: pool))
    }
    heads = keyValueHeads.flatMap { Array(($0 * each)..<(($0 + 1) * each)) }
    while heads.count > left.heads {
      let sizes = Dictionary(grouping: heads) { $0 / each }
      let goal = left.heads / keyValueHeads.count
      let candidates = heads.indices.filter { sizes[heads[$0] / each]!.count > goal }
      let blocks = candidates.map { (heads[$0] * dimension)..<((heads[$0] + 1) * dimension) }
      heads.remove(at: candidates[score.removeLeast(of: blocks, on: pool)])
    }
  }
}
