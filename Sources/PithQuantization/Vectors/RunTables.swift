import CPithKernels
import PithLinearAlgebra
import PithTensors

/// H within one run of columns: d × d, with zeros for the columns that the last run lacks.
struct RunMetric: Sendable {
  /// The diagonal.
  let diagonal: [Float]

  /// All of it, row after row; nil where it is diagonal.
  let full: [Float]?

  /// The part of a metric at a run.
  init(_ metric: LossMetric, columns: Range<Int>, dimension: Int) {
    var diagonal = [Float](repeating: 0, count: dimension)
    switch metric {
    case .plain: for i in 0..<columns.count { diagonal[i] = 1 }
    case .diagonal(let values): for (i, column) in columns.enumerated() { diagonal[i] = values[column] }
    case .layer(let hessian):
      var full = [Float](repeating: 0, count: dimension * dimension)
      for (i, row) in columns.enumerated() {
        for (j, column) in columns.enumerated() { full[i * dimension + j] = hessian[row, column] }
        diagonal[i] = hessian[row, row]
      }
      self.init(diagonal: diagonal, full: full)
      return
    }
    self.init(diagonal: diagonal, full: nil)
  }

  /// A metric of the given values.
  init(diagonal: [Float], full: [Float]?) {
    self.diagonal = diagonal
    self.full = full
  }

  /// y ← y + A·v.
  func addProduct(_ v: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>) {
    let dimension = diagonal.count
    if let full {
      full.withUnsafeBufferPointer { full in
        for i in 0..<dimension {
          var sum: Float = 0
          for j in 0..<dimension { sum += full[i &* dimension &+ j] * v[j] }
          y[i] += sum
        }
      }
    } else {
      for i in 0..<dimension { y[i] += diagonal[i] * v[i] }
    }
  }
}

/// What the choice of codewords for a run needs of them, the same for all rows.
///
/// For a run with the metric A and the wish t, the cost of a sum of codewords is, up to what no choice changes,
///
///     ½ (Σ c)ᵀ A (Σ c) − tᵀ A (Σ c) = Σ_m (½ cᵀAc − (A·t)ᵀc) + Σ_{m < m′} cᵀAc′
///
/// so it is a sum of a number per code and a number per pair of codes, and the pairs do not depend on the row.
struct RunTables: Sendable {
  /// A.
  let metric: RunMetric
  /// d × (codebooks · codes): the codewords of the set, component by component.
  let components: [Float]
  /// ½ cᵀAc for each codeword of the set.
  let halfNorms: [Float]
  /// cᵀAc′ for each two codewords of the set; empty where there is one codebook.
  let pairs: [Float]
  /// Codewords per codebook.
  let codes: Int
  /// Codebooks.
  let books: Int

  /// The tables of a run.
  init(_ approximation: VectorApproximation, run: Int, metric: RunMetric) {
    let (dimension, count) = (approximation.layout.dimension, approximation.codewordsPerSet)
    let start = run % approximation.layout.sets * count * dimension
    let words = Matrix(
      rows: count, columns: dimension,
      values: Array(approximation.tables[start..<(start + count * dimension)]))
    var weighted = words
    if let full = metric.full {
      weighted = words.times(Matrix(rows: dimension, columns: dimension, values: full))
    } else {
      for index in 0..<(count * dimension) { weighted.values[index] *= metric.diagonal[index % dimension] }
    }
    self.metric = metric
    components = words.transposed.values
    books = approximation.layout.codebooks
    codes = 1 << approximation.layout.bits
    pairs = books == 1 ? [] : weighted.times(words, otherTransposed: true).values
    halfNorms = (0..<count).map { word in
      (word * dimension..<(word + 1) * dimension).reduce(Float(0)) {
        $0 + weighted.values[$1] * words.values[$1]
      } / 2
    }
  }

  /// The number for each codeword, ½ cᵀAc − bᵀc, with b = A·t.
  func costs(_ b: UnsafePointer<Float>, into costs: UnsafeMutablePointer<Float>) {
    pith_subtract_products(halfNorms, b, components, metric.diagonal.count, halfNorms.count, costs)
  }
}
