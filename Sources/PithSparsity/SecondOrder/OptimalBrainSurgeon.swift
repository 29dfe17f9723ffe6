import PithLinearAlgebra

/// OBS (Hassibi and Stork, NeurIPS 1993): weights of a quadratic loss are removed one by one, and the others make up for each.
///
/// The saliency of weight p is w_p²/(2·[H⁻¹]_pp), which is what the loss wᵀHw/2 of a change grows by, exactly; the others
/// move by −(w_p/[H⁻¹]_pp)·H⁻¹_{:,p}, and H⁻¹ loses row and column p by one step of Gaussian elimination. O(n³) for
/// all n weights. Where the loss is quadratic and one weight goes, nothing is better.
package struct OptimalBrainSurgeon {
  /// The weights; those removed are 0.
  package private(set) var weights: [Double]

  /// The weights that are left, rising.
  package private(set) var left: [Int]

  private var inverse: SymmetricMatrix

  /// Weights before anything is removed.
  ///
  /// - Parameter inverse: H⁻¹.
  package init(_ weights: [Double], inverse: SymmetricMatrix) {
    precondition(weights.count == inverse.size, "\(weights.count) weights for H of \(inverse.size)")
    self.weights = weights
    self.inverse = inverse
    left = Array(weights.indices)
  }

  /// What the loss grows by when a weight goes and the others make up for it.
  package func saliency(_ p: Int) -> Double { weights[p] * weights[p] / (2 * inverse[p, p]) }

  /// Removes the weight of least saliency, and returns which one and what the loss grew by; nil if none is left.
  package mutating func removeLeast() -> (weight: Int, loss: Double)? {
    guard let position = left.indices.min(by: { saliency(left[$0]) < saliency(left[$1]) }) else { return nil }
    let p = left.remove(at: position)
    let loss = saliency(p)
    let share = weights[p] / inverse[p, p]
    for j in left { weights[j] -= share * inverse[j, p] }
    weights[p] = 0
    for i in left {
      let factor = inverse[i, p] / inverse[p, p]
      for j in left { inverse[i, j] -= factor * inverse[p, j] }
    }
    return (p, loss)
  }
}
