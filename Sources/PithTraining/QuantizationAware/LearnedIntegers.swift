import PithTensors
import PithWeights

/// Integers with a scale per row that meet quantized inputs: the weights learn as those of a `LearnedGrid`, and training sees the inputs as rounded as they
/// will be, through which gradients pass straight (QAT of both: Jacob et al., arXiv 1712.05877, section 3).
struct LearnedIntegers: Sendable {
  private let product: IntegerProduct
  private let grid: LearnedGrid

  /// Nil where scales are not those of a grid: float16.
  init?(_ product: IntegerProduct) {
    guard case .float16(let scales) = product.scales,
      let grid = LearnedGrid(
        Affine(
          rows: product.rows, columns: product.columns, bits: product.bits, groupSize: product.columns,
          codes: product.codes, scales: .float16(scales), zeros: nil))
    else { return nil }
    (self.product, self.grid) = (product, grid)
  }

  /// What is learned, as it is in the beginning: the weights, and the share of each scale.
  func factors(near original: Matrix?) -> [Matrix] { grid.factors(near: original) }

  /// The weight.
  func weight(_ factors: [Matrix], on pool: ThreadPool?) -> Matrix { grid.weight(factors, on: pool) }

  /// Adds the gradients of what is learned to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], into gradients: inout [Matrix], on pool: ThreadPool?
  ) {
    grid.carryBack(gradient, factors, into: &gradients, on: pool)
  }

  /// What is multiplied of some inputs.
  func seen(_ x: Matrix, on pool: ThreadPool) -> Matrix { product.seen(x, on: pool) }

  /// The weight in its storage.
  func stored(_ factors: [Matrix]) -> StoredMatrix {
    guard case .affine(let affine) = grid.stored(factors), case .float16(let scales) = affine.scales else {
      preconditionFailure("a grid is stored as one")
    }
    return .integer(
      IntegerProduct(
        rows: product.rows, columns: product.columns, bits: product.bits, codes: affine.codes,
        scales: .float16(scales), activations: product.activations, threshold: product.threshold))
  }
}
