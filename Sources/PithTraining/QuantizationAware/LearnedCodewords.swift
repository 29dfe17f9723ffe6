import PithQuantization
import PithTensors
import PithWeights

/// Codes of vectors, of which everything is learned: the weights that codes are chosen for, anew at each step, the codewords, and the
/// rows' scales (the codewords as in AQLM, arXiv 2401.06118, section 3.4).
///
/// A weight is s · Q(v/s) with a sum of codewords Q(x) near the run x, found from the codes in the beginning, so that it depends on what is learned alone;
/// choosing counts as the identity, as rounding does in LSQ (arXiv 1902.08153). Scales are learned as shares of those in the beginning.
struct LearnedCodewords: Sendable {
  private let shape: VectorCodebook
  private let scales: [Float]?

  init(_ vectors: VectorCodebook) {
    shape = vectors
    scales = vectors.scales?.halves
  }

  /// What is learned, as it is in the beginning: codewords, one in a row, the weights that codes are chosen for, and the share of each scale.
  ///
  /// - Parameter original: weights from before; those that codes are chosen for go as far towards them as the codes stay.
  func factors(near original: Matrix?, on pool: ThreadPool?) -> [Matrix] {
    let values = shape.tables.halves
    let codewords = Matrix(
      rows: values.count / shape.layout.dimension, columns: shape.layout.dimension, values: values)
    var weights = StoredMatrix.vectors(shape).decoded(on: pool)
    if let original { weights = moved(weights, towards: original, on: pool ?? ThreadPool(threads: 1)) }
    guard scales != nil else { return [codewords, weights] }
    let ones = [Float](repeating: 1, count: shape.rows)
    return [codewords, weights, Matrix(rows: shape.rows, columns: 1, values: ones)]
  }

  private func moved(_ start: Matrix, towards original: Matrix, on pool: ThreadPool) -> Matrix {
    let codes = shape.unpacked
    var weights = start
    for way: Float in [0.25, 0.5, 0.75, 1] {
      let tried = Matrix(
        rows: shape.rows, columns: shape.columns,
        values: zip(start.values, original.values).map { $0 + way * ($1 - $0) })
      let chosen = shape.recoded(nearestTo: tried, on: pool).unpacked
      for row in 0..<shape.rows {
        forEachRun(of: row) { run, places in
          if chosen[run] == codes[run] { weights.values[places] = tried.values[places] }
        }
      }
    }
    return weights
  }

  /// Calls `body` with each run of a row: where its codes and its weights are among all.
  private func forEachRun(of row: Int, _ body: (_ codes: Range<Int>, _ places: Range<Int>) -> Void) {
    let (columns, dimension, books) = (shape.columns, shape.layout.dimension, shape.layout.codebooks)
    let runs = shape.layout.runs(columns)
    for run in 0..<runs {
      let code = (row * runs + run) * books
      let end = min((run + 1) * dimension, columns)
      body(code..<(code + books), (row * columns + run * dimension)..<(row * columns + end))
    }
  }

  /// The weight in its storage.
  private func codebook(_ factors: [Matrix], on pool: ThreadPool?) -> VectorCodebook {
    let now = scales.map { zip($0, factors[2].values).map { $0 * $1 } }
    return VectorCodebook(
      rows: shape.rows, columns: shape.columns, layout: shape.layout, codes: shape.codes,
      tables: Bytes(halves: factors[0].values), scales: now.map { Bytes(halves: $0) }
    ).recoded(nearestTo: factors[1], on: pool ?? ThreadPool(threads: 1))
  }

  /// The weight.
  func weight(_ factors: [Matrix], on pool: ThreadPool?) -> Matrix {
    StoredMatrix.vectors(codebook(factors, on: pool)).decoded(on: pool)
  }

  /// The weight in its storage.
  func stored(_ factors: [Matrix], on pool: ThreadPool?) -> StoredMatrix {
    .vectors(codebook(factors, on: pool))
  }

  /// Adds the gradients of what is learned to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], into gradients: inout [Matrix], on pool: ThreadPool?
  ) {
    let now = codebook(factors, on: pool)
    let (codes, words, scalesNow) = (now.unpacked, now.tables.halves, now.scales?.halves)
    let (layout, dimension, columns) = (shape.layout, shape.layout.dimension, shape.columns)
    gradients[1].add(gradient)
    let latent = gradients.remove(at: 1)
    let sums = Matrix.summed(rows: shape.rows, on: pool, like: gradients) { row, sums in
      let scale = scalesNow?[row] ?? 1
      var slope: Float = 0
      forEachRun(of: row) { run, places in
        let set = (places.lowerBound - row * columns) / dimension % layout.sets
        for (book, code) in codes[run].enumerated() {
          let word = ((set * layout.codebooks + book) << layout.bits + Int(code)) * dimension
          for (index, place) in places.enumerated() {
            sums[0].values[word + index] += scale * gradient.values[place]
            slope += gradient.values[place] * words[word + index]
          }
        }
        // What is chosen goes along with the weights, whose multiples of the scale fall as that grows.
        if scale != 0 {
          for place in places { slope -= gradient.values[place] * factors[1].values[place] / scale }
        }
      }
      if let scales { sums[1].values[row] += slope * scales[row] }
    }
    for (index, sum) in sums.enumerated() { gradients[index].add(sum) }
    gradients.insert(latent, at: 1)
  }
}

extension VectorCodebook {
  /// All codes: row, run, codebook.
  fileprivate var unpacked: [UInt16] {
    Packing.unpack(
      codes, rows: rows, columns: layout.codesPerRow(columns), bits: layout.bits, as: UInt16.self)
  }
}
