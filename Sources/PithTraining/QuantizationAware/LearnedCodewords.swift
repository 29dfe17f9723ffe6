import PithTensors
import PithWeights

/// Codes that stay, of which the codewords and the rows' scales are learned (AQLM, arXiv 2401.06118, section 3.4).
///
/// Scales are learned as shares of those in the beginning.
struct LearnedCodewords: Sendable {
  private let shape: VectorCodebook
  private let codes: [UInt16]
  private let scales: [Float]?

  init(_ vectors: VectorCodebook) {
    shape = vectors
    codes = Packing.unpack(
      vectors.codes, rows: vectors.rows, columns: vectors.layout.codesPerRow(vectors.columns),
      bits: vectors.layout.bits, as: UInt16.self)
    scales = vectors.scales?.halves
  }

  /// What is learned, as it is in the beginning: codewords, one in a row, and the share of each scale.
  var factors: [Matrix] {
    let values = shape.tables.halves
    let codewords = Matrix(
      rows: values.count / shape.layout.dimension, columns: shape.layout.dimension, values: values)
    guard scales != nil else { return [codewords] }
    return [
      codewords,
      Matrix(rows: shape.rows, columns: 1, values: [Float](repeating: 1, count: shape.rows)),
    ]
  }

  /// The weight.
  func weight(_ factors: [Matrix], on pool: ThreadPool?) -> Matrix { stored(factors).decoded(on: pool) }

  /// Adds the gradients of what is learned to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], into gradients: inout [Matrix], on pool: ThreadPool?
  ) {
    let layout = shape.layout
    let (words, books) = (1 << layout.bits, layout.codebooks)
    let (columns, dimension) = (shape.columns, layout.dimension)
    let codesPerRow = layout.codesPerRow(columns)
    let sums = Matrix.summed(rows: shape.rows, on: pool, like: gradients) { row, sums in
      let start = scales?[row] ?? 1
      let scale = scales == nil ? 1 : start * factors[1].values[row]
      var slope: Float = 0
      for run in 0..<layout.runs(columns) {
        let first = run * dimension
        let count = min(dimension, columns - first)
        for book in 0..<books {
          let code = Int(codes[row * codesPerRow + run * books + book])
          let word = ((run % layout.sets * books + book) * words + code) * dimension
          for index in 0..<count {
            let part = gradient.values[row * columns + first + index]
            sums[0].values[word + index] += scale * part
            slope += part * factors[0].values[word + index]
          }
        }
      }
      if scales != nil { sums[1].values[row] += slope * start }
    }
    for (index, sum) in sums.enumerated() { gradients[index].add(sum) }
  }

  /// The weight in its storage.
  func stored(_ factors: [Matrix]) -> StoredMatrix {
    .vectors(
      VectorCodebook(
        rows: shape.rows, columns: shape.columns, layout: shape.layout, codes: shape.codes,
        tables: Bytes(halves: factors[0].values),
        scales: scales.map { Bytes(halves: zip($0, factors[1].values).map { $0 * $1 }) }))
  }
}
