import PithTensors
import PithWeights

/// The start of all vector methods: k-means, codebook after codebook, each on what those before it have left. With one
/// codebook that is vector quantization, and with several sets product quantization.
///
/// Source: Chen et al., *Approximate nearest neighbor search by residual vector quantization*, Sensors 10, 2010.
struct ResidualKMeans {
  /// The most vectors that a codebook is fitted to.
  private static let sampleLimit = 1 << 16

  /// The size of codes and codebooks.
  let layout: VectorCodebook.Layout
  /// Rounds of each k-means.
  let iterations: Int
  /// Where random numbers come from.
  let seed: UInt64

  /// Tables for the rows of a weight in units of their scales; errors count as the diagonal of the metric says.
  func tables(
    for weight: Matrix, scales: [Float]?, diagonal: [Float], on pool: ThreadPool
  ) -> [Float] {
    var tables: [Float] = []
    for set in 0..<layout.sets {
      var rest = vectors(of: weight, scales: scales, diagonal: diagonal, set: set)
      for book in 0..<layout.codebooks {
        let kmeans = VectorKMeans(
          codes: 1 << layout.bits, iterations: iterations,
          seed: seed &+ UInt64(set * layout.codebooks + book) &* 0x9E37_79B9)
        let codewords = kmeans.fit(rest, on: pool)
        tables += codewords
        guard book < layout.codebooks - 1 else { break }
        let nearest = kmeans.nearest(rest, codewords, on: pool).codes
        for index in rest.values.indices {
          let (vector, component) = (index / layout.dimension, index % layout.dimension)
          rest.values[index] -= codewords[Int(nearest[vector]) * layout.dimension + component]
        }
      }
    }
    return tables
  }

  /// The runs of a set, from as many rows as the limit allows.
  private func vectors(
    of weight: Matrix, scales: [Float]?, diagonal: [Float], set: Int
  ) -> WeightedVectors {
    let dimension = layout.dimension
    let runs = Array(stride(from: set, to: layout.runs(weight.columns), by: layout.sets))
    let step = max(1, (weight.rows * runs.count + Self.sampleLimit - 1) / Self.sampleLimit)
    let rows = stride(from: 0, to: weight.rows, by: step).filter { scales?[$0] != 0 }
    func columns(_ run: Int) -> Range<Int> {
      run * dimension..<min((run + 1) * dimension, weight.columns)
    }
    var values = [Float](repeating: 0, count: rows.count * runs.count * dimension)
    var start = 0
    for row in rows {
      let scale = scales?[row] ?? 1
      for run in runs {
        for (j, column) in columns(run).enumerated() { values[start + j] = weight[row, column] / scale }
        start += dimension
      }
    }
    return WeightedVectors(
      dimension: dimension, values: values,
      masses: rows.flatMap { row in
        let scale = scales?[row] ?? 1
        return [Float](repeating: scale * scale, count: runs.count)
      },
      weights: runs.map { run in
        let own = columns(run).map { diagonal[$0] }
        return own + [Float](repeating: 0, count: dimension - own.count)
      })
  }
}
