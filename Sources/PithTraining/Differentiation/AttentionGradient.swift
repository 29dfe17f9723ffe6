import CPithKernels
import PithModels
import PithTensors

/// The gradients of softmax(scale · Q Kᵀ) V, tile by tile of queries, whose probabilities are computed again (Dao et al., arXiv
/// 2205.14135, section 3.1, without its tiles of keys).
struct AttentionGradient {
  let batch: Batch
  let attention: Attention
  let queries: Matrix
  let keys: Matrix
  let values: Matrix

  /// Rows of queries of a tile.
  private static let tile = 32

  /// The gradients of queries, keys and values from that of the result.
  func of(_ dy: Matrix, on pool: ThreadPool) -> (Matrix, Matrix, Matrix) {
    var dq = Matrix(rows: queries.rows, columns: queries.columns)
    var dk = Matrix(rows: keys.rows, columns: keys.columns)
    var dv = Matrix(rows: values.rows, columns: values.columns)
    queries.values.withUnsafeBufferPointer { q in
      keys.values.withUnsafeBufferPointer { k in
        values.values.withUnsafeBufferPointer { v in
          dy.values.withUnsafeBufferPointer { dy in
            dq.values.withUnsafeMutableBufferPointer { dq in
              dk.values.withUnsafeMutableBufferPointer { dk in
                dv.values.withUnsafeMutableBufferPointer { dv in
                  nonisolated(unsafe) let heads = Heads(
                    width: queries.columns, memoryWidth: keys.columns, q: q.baseAddress!, k: k.baseAddress!,
                    v: v.baseAddress!, dy: dy.baseAddress!, dq: dq.baseAddress!, dk: dk.baseAddress!,
                    dv: dv.baseAddress!)
                  // Query heads that share keys and values add to the same gradients: one thread has them all.
                  pool.forEach(count: batch.runs.count * attention.keyValueHeads, grain: 1) { range in
                    for task in range {
                      carryBack(
                        batch.runs[task / attention.keyValueHeads].rows, task % attention.keyValueHeads, heads
                      )
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
    return (dq, dk, dv)
  }

  /// Where everything lies.
  private struct Heads {
    let width: Int
    let memoryWidth: Int
    let q: UnsafePointer<Float>
    let k: UnsafePointer<Float>
    let v: UnsafePointer<Float>
    let dy: UnsafePointer<Float>
    let dq: UnsafeMutablePointer<Float>
    let dk: UnsafeMutablePointer<Float>
    let dv: UnsafeMutablePointer<Float>
  }

  /// One sequence and one head of keys and values.
  private func carryBack(_ rows: Range<Int>, _ head: Int, _ heads: Heads) {
    let (count, dimension) = (rows.count, attention.headDimension)
    let group = attention.heads / attention.keyValueHeads
    let (width, memoryWidth) = (heads.width, heads.memoryWidth)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * Self.tile * count) { buffer in
      let (p, dp) = (buffer.baseAddress!, buffer.baseAddress! + Self.tile * count)
      for member in 0..<group {
        for start in stride(from: 0, to: count, by: Self.tile) {
          let some = min(Self.tile, count - start)
          let first = attention.reach.positions(seenFrom: start, of: count).lowerBound
          let reach = attention.reach.positions(seenFrom: start + some - 1, of: count).upperBound - first
          let here = (rows.lowerBound + start) * width + (head * group + member) * dimension
          let there = (rows.lowerBound + first) * memoryWidth + head * dimension
          func tile(_ start: UnsafePointer<Float>) -> pith_operand {
            pith_operand(start: start, row: reach, column: 1)
          }
          func turned(_ start: UnsafePointer<Float>) -> pith_operand {
            pith_operand(start: start, row: 1, column: reach)
          }
          let q = pith_operand(start: heads.q + here, row: width, column: 1)
          let dy = pith_operand(start: heads.dy + here, row: width, column: 1)
          let k = pith_operand(start: heads.k + there, row: memoryWidth, column: 1)
          let kTurned = pith_operand(start: heads.k + there, row: 1, column: memoryWidth)
          let vTurned = pith_operand(start: heads.v + there, row: 1, column: memoryWidth)
          // P = softmax(scale · Q Kᵀ), and dP = dY Vᵀ.
          pith_product(q, kTurned, some, reach, dimension, false, p, reach)
          pith_product(dy, vTurned, some, reach, dimension, false, dp, reach)
          for row in 0..<some {
            let seen = attention.reach.positions(seenFrom: start + row, of: count)
            let (before, after) = (seen.lowerBound - first, seen.upperBound - first)
            let (p, dp) = (p + row * reach, dp + row * reach)
            p.update(repeating: 0, count: before)
            pith_softmax(p + before, seen.count, attention.scale)
            (p + after).update(repeating: 0, count: reach - after)
            pith_softmax_gradient(p, dp, reach, attention.scale)
          }
          // dV += Pᵀ dY, dK += dSᵀ Q, dQ = dS K.
          pith_product(turned(p), dy, reach, dimension, some, true, heads.dv + there, memoryWidth)
          pith_product(turned(dp), q, reach, dimension, some, true, heads.dk + there, memoryWidth)
          pith_product(tile(dp), k, some, dimension, reach, false, heads.dq + here, width)
        }
      }
    }
  }
}
