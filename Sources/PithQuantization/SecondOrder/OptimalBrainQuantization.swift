import PithLinearAlgebra
import PithTensors
import PithWeights

/// OBQ (Frantar and Alistarh, arXiv 2208.11580, section 5): the weights of a row are quantized one by one, always the one
/// whose error does the least harm, and the rest of the row makes up for it.
///
/// With e = w_p − quant(w_p), the harm is e²/[H⁻¹]_pp; the other weights move by −(e/[H⁻¹]_pp)·H⁻¹_{:,p}, and H⁻¹ loses
/// row and column p by one step of Gaussian elimination. A weight that lies more than half a step outside of its grid
/// goes first, before others push it further out. Grids are fitted to the weights as they came. All in double
/// precision: O(rows · columns³), the oracle of GPTQ.
enum OptimalBrainQuantization {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let order = Array(0..<weight.columns)
    let factor = try InverseFactor(statistics, order: order, damping: options.damping)
    let weight = weight.settingToZero(columns: factor.deadColumns)
    let groupSize = min(options.groupSize ?? weight.columns, weight.columns)
    let fit = AffineFit(bits: options.bits, symmetric: options.symmetric, range: options.rangeSearch)
    let grids = weight.map(groupsOf: groupSize, on: pool) { fit.fit($1) }
    let groups = weight.groups(of: groupSize)
    let inverse = factor.inverse
    let codes = weight.packedRows(bits: options.bits, on: pool) { row, weights, codes in
      let chosen = self.codes(of: weights, inverse: inverse, order: nil) {
        grids[row * groups + $0 / groupSize]
      }
      for (column, code) in chosen.enumerated() { codes[column] = code }
    }
    let affine = try Affine(
      weight, bits: options.bits, groupSize: groupSize, codes: codes, grids: grids,
      symmetric: options.symmetric)
    return CompressedMatrix(.affine(affine), notes: factor.notes)
  }

  /// The codes of one row.
  ///
  /// - Parameters:
  ///   - inverse: H⁻¹.
  ///   - order: the order of the columns; nil for the least harm first.
  ///   - grid: the grid of a column.
  static func codes(
    of weights: UnsafeBufferPointer<Float>, inverse: SymmetricMatrix, order: [Int]?,
    grid: (_ column: Int) -> AffineGrid
  ) -> [UInt8] {
    let count = weights.count
    var w = weights.map(Double.init)
    var inverse = inverse
    var codes = [UInt8](repeating: 0, count: count)
    var left = Array(0..<count)
    func error(_ p: Int) -> Double {
      let grid = grid(p)
      return w[p] - Double(grid.value(grid.code(Float(w[p]))))
    }
    while !left.isEmpty {
      let position: Int
      if let order {
        position = left.firstIndex(of: order[count - left.count])!
      } else if let outside = left.firstIndex(where: { abs(error($0)) > Double(grid($0).scale) / 2 * 1.0001 })
      {
        position = outside
      } else {
        position = left.indices.min { a, b in
          let (p, q) = (left[a], left[b])
          return error(p) * error(p) / inverse[p, p] < error(q) * error(q) / inverse[q, q]
        }!
      }
      let p = left.remove(at: position)
      codes[p] = grid(p).code(Float(w[p]))
      let share = error(p) / inverse[p, p]
      for j in left { w[j] -= share * inverse[j, p] }
      for i in left {
        let factor = inverse[i, p] / inverse[p, p]
        for j in left { inverse[i, j] -= factor * inverse[p, j] }
      }
    }
    return codes
  }
}
