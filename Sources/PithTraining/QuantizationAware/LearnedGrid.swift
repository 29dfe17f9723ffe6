import CPithKernels
import PithTensors
import PithWeights

/// Integers that stay integers in training: learned are the weights that are rounded to them and the step of each group (LSQ, arXiv
/// 1902.08153); zero points stay.
///
/// The weight is s · (⌊v/s + z⌉ − z), clamped to the codes that there are, with the step s in float16: just what is stored. Rounding counts as the
/// identity within the range of the codes, and v has no gradient outside of it. Steps are learned as shares of those in the beginning,
/// so that one learning rate suits all of them.
struct LearnedGrid: Sendable {
  private let shape: Affine
  private let steps: [Float]
  private let zeros: [Float]

  /// Nil where steps are themselves codes.
  init?(_ affine: Affine) {
    guard case .float16(let steps) = affine.scales else { return nil }
    shape = affine
    self.steps = steps.halves
    let count = affine.rows * affine.groups
    zeros =
      switch affine.zeros {
      case nil: [Float](repeating: Float(1 << (affine.bits - 1)), count: count)
      case .codes(let codes):
        Packing.unpack(codes, rows: affine.rows, columns: affine.groups, bits: affine.bits).map(Float.init)
      case .float16(let values): values.halves
      }
  }

  /// What is learned, as it is in the beginning: the weights, and the share of each step.
  ///
  /// - Parameter original: weights from before; what is rounded is as near to them as it can be without rounding to other integers.
  func factors(near original: Matrix?) -> [Matrix] {
    let shares = Matrix(
      rows: shape.rows, columns: shape.groups, values: [Float](repeating: 1, count: steps.count))
    var weights = StoredMatrix.affine(shape).decoded()
    guard let original else { return [weights, shares] }
    weights.values.withUnsafeMutableBufferPointer { weights in
      forEachGroup(of: 0..<shape.rows) { group, start, count in
        let reach = Self.reach * grid(group, shares).scale
        for place in start..<(start + count) {
          weights[place] = min(max(original.values[place], weights[place] - reach), weights[place] + reach)
        }
      }
    }
    return [weights, shares]
  }

  /// How far from its integer, in steps, a weight may begin.
  private static let reach: Float = 0.49

  /// The grid of a group; `group` counts those of all rows.
  private func grid(_ group: Int, _ shares: Matrix) -> pith_grid {
    let step = Half.decode(Half.encode(steps[group] * max(shares.values[group], 0)))
    return pith_grid(
      scale: step, zero: zeros[group], lowest: shape.zeros == nil ? 1 : 0,
      highest: Float(1 << shape.bits - 1))
  }

  /// Calls `body` with the columns of each group of some rows, the first as a place in the whole matrix.
  private func forEachGroup(of rows: Range<Int>, _ body: (_ group: Int, _ start: Int, _ count: Int) -> Void) {
    for row in rows {
      for group in 0..<shape.groups {
        let first = group * shape.groupSize
        body(
          row * shape.groups + group, row * shape.columns + first,
          min(shape.groupSize, shape.columns - first))
      }
    }
  }

  /// The weight.
  func weight(_ factors: [Matrix], on pool: ThreadPool?) -> Matrix {
    Matrix(rows: shape.rows, columns: shape.columns) { target in
      factors[0].values.withUnsafeBufferPointer { latent in
        nonisolated(unsafe) let (from, to) = (latent.baseAddress!, target.baseAddress!)
        shared(shape.rows, on: pool) { rows in
          forEachGroup(of: rows) { group, start, count in
            var grid = grid(group, factors[1])
            pith_round_to_grid(&grid, from + start, to + start, count)
          }
        }
      }
    }
  }

  /// Adds the gradients of what is learned to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], into gradients: inout [Matrix], on pool: ThreadPool?
  ) {
    var (latent, shares) = (gradients[0], gradients[1])
    gradients.removeAll()
    latent.values.withUnsafeMutableBufferPointer { latent in
      shares.values.withUnsafeMutableBufferPointer { shares in
        factors[0].values.withUnsafeBufferPointer { values in
          gradient.values.withUnsafeBufferPointer { gradient in
            nonisolated(unsafe) let (dv, du) = (latent.baseAddress!, shares.baseAddress!)
            nonisolated(unsafe) let (v, dw) = (values.baseAddress!, gradient.baseAddress!)
            shared(shape.rows, on: pool) { rows in
              forEachGroup(of: rows) { group, start, count in
                var grid = grid(group, factors[1])
                let slope = pith_round_to_grid_gradient(&grid, v + start, dw + start, dv + start, count)
                // The paper's balance of the gradients of steps and weights, section 2.2.
                du[group] += slope * steps[group] / (Float(count) * grid.highest).squareRoot()
              }
            }
          }
        }
      }
    }
    gradients = [latent, shares]
  }

  /// The weight in its storage.
  func stored(_ factors: [Matrix]) -> StoredMatrix {
    var codes = [UInt8](repeating: 0, count: shape.rows * shape.columns)
    var steps: [UInt16] = []
    factors[0].values.withUnsafeBufferPointer { latent in
      forEachGroup(of: 0..<shape.rows) { group, start, count in
        var grid = grid(group, factors[1])
        steps.append(Half.encode(grid.scale).littleEndian)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { values in
          pith_round_to_grid(&grid, latent.baseAddress! + start, values.baseAddress!, count)
          for index in 0..<count {
            let code = grid.scale == 0 ? grid.zero : values[index] / grid.scale + grid.zero
            codes[start + index] = UInt8(min(max(code.rounded(), 0), grid.highest))
          }
        }
      }
    }
    return .affine(
      Affine(
        rows: shape.rows, columns: shape.columns, bits: shape.bits, groupSize: shape.groupSize,
        codes: Packing.pack(codes, rows: shape.rows, bits: shape.bits),
        scales: .float16(Bytes(copying: steps)), zeros: shape.zeros))
  }
}

/// Shares rows among threads, if there are some.
func shared(_ rows: Int, on pool: ThreadPool?, _ body: (Range<Int>) -> Void) {
  if let pool { pool.forEach(count: rows, grain: 16, body) } else { body(0..<rows) }
}
