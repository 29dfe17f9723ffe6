import CPithKernels
import PithTensors

/// AWQ's clipping: of the shares 1.00, 0.98 … 0.50 of a group's range, the one whose rounded weights change the outputs
/// least, e·H_gg·eᵀ with H_gg the part of H at the group's columns.
///
/// Source: Lin et al., arXiv 2306.00978, as in the authors' code: each group by itself, as if the others were exact.
struct ClipSearch: Sendable {
  /// The shares of the range that are tried.
  private static let shares: [Float] = (0...25).map { 1 - Float($0) / 50 }

  /// H_gg of each group, row after row.
  private let blocks: [[Float]]

  /// - Parameter hessian: columns × columns.
  init(_ hessian: Matrix, groupSize: Int) {
    blocks = (0..<hessian.groups(of: groupSize)).map { group in
      let columns = hessian.columns(ofGroup: group, size: groupSize)
      return hessian.block(columns, columns).values
    }
  }

  /// The best for a group's weights of the grids that `grid` makes for shares of the range.
  func best(
    _ group: Int, for weights: UnsafeBufferPointer<Float>, grid: (_ share: Float) -> AffineGrid
  ) -> AffineGrid {
    var (best, least) = (grid(1), Float.infinity)
    guard best.scale.isFinite else { return best }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * weights.count) { room in
      for share in Self.shares {
        let candidate = grid(share)
        let loss = loss(group, of: weights, on: candidate, room.baseAddress!)
        if loss < least { (best, least) = (candidate, loss) }
      }
    }
    return best
  }

  private func loss(
    _ group: Int, of weights: UnsafeBufferPointer<Float>, on grid: AffineGrid,
    _ room: UnsafeMutablePointer<Float>
  ) -> Float {
    let (count, errors, products) = (weights.count, room, room + weights.count)
    for index in 0..<count { errors[index] = weights[index] - grid.value(grid.code(weights[index])) }
    pith_dot_block(errors, count, 1, blocks[group], count, count, count, products, count)
    return (0..<count).reduce(0) { $0 + errors[$1] * products[$1] }
  }
}
