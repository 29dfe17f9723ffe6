import PithQuantization
import PithTensors
import PithWeights

/// Which weights of a matrix stay, row after row.
package struct PruningMask: Sendable, Equatable {
  /// The number of outputs.
  package let rows: Int
  /// The number of inputs.
  package let columns: Int
  /// One entry per weight.
  package var keeps: [Bool]

  /// A mask that keeps all.
  package init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    keeps = [Bool](repeating: true, count: rows * columns)
  }

  /// The mask that removes the weights of least score: so many of the whole, of each row, or of each run of columns.
  ///
  /// Among equal scores, the first go first.
  package init(_ scores: Matrix, _ sparsity: Sparsity, scope: PruningScope, on pool: ThreadPool) {
    self.init(rows: scores.rows, columns: scores.columns)
    guard !keeps.isEmpty else { return }
    let columns = columns
    keeps.withUnsafeMutableBufferPointer { keeps in
      nonisolated(unsafe) let keeps = keeps
      scores.values.withUnsafeBufferPointer { scores in
        nonisolated(unsafe) let scores = scores
        func remove(_ count: Int, of range: Range<Int>) {
          Self.remove(
            count, UnsafeBufferPointer(rebasing: scores[range]),
            UnsafeMutableBufferPointer(rebasing: keeps[range]))
        }
        switch sparsity {
        case .share(let share) where scope != .row:
          remove(Self.count(share, of: scores.count), of: scores.indices)
        case .share(let share):
          pool.forEach(count: rows, grain: 1) { rows in
            for row in rows {
              remove(Self.count(share, of: columns), of: (row * columns)..<((row + 1) * columns))
            }
          }
        case .pattern(let zeros, let count):
          pool.forEach(count: rows, grain: 8) { rows in
            for row in rows {
              for start in stride(from: 0, through: columns - count, by: count) {
                remove(zeros, of: (row * columns + start)..<(row * columns + start + count))
              }
            }
          }
        }
      }
    }
  }

  /// The mask that removes the blocks of least mean score.
  package init(
    _ scores: Matrix, _ sparsity: Sparsity, scope: PruningScope, block: BlockShape?, on pool: ThreadPool
  ) {
    guard let block else {
      self.init(scores, sparsity, scope: scope, on: pool)
      return
    }
    self.init(rows: scores.rows, columns: scores.columns)
    keep(PruningMask(scores.means(of: block), sparsity, scope: scope, on: pool), block)
  }

  /// The mask that removes the weights of scores below a limit, and the first few of those at it.
  package init(_ scores: Matrix, below limit: Float, orFirst equal: Int) {
    self.init(rows: scores.rows, columns: scores.columns)
    keeps.withUnsafeMutableBufferPointer { keeps in
      scores.values.withUnsafeBufferPointer { Self.remove(below: limit, orFirst: equal, $0, keeps) }
    }
  }

  /// The mask that keeps the weights, or the blocks, of scores above a limit.
  package init(_ scores: Matrix, above limit: Float, block: BlockShape?) {
    self.init(rows: scores.rows, columns: scores.columns)
    guard let block else {
      keeps = scores.values.map { $0 > limit }
      return
    }
    let means = scores.means(of: block)
    keep(PruningMask(means, above: limit, block: nil), block)
  }

  private mutating func keep(_ blocks: PruningMask, _ shape: BlockShape) {
    for index in keeps.indices {
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      keeps[index] = blocks.keeps[row / shape.rows * blocks.columns + column / shape.columns]
    }
  }

  /// How many of some weights go.
  package static func count(_ share: Float, of weights: Int) -> Int {
    min(Int((Double(share) * Double(weights)).rounded()), max(weights - 1, 0))
  }

  /// Takes the `count` least of some scores out of a mask.
  package static func remove(
    _ count: Int, _ scores: UnsafeBufferPointer<Float>, _ keeps: UnsafeMutableBufferPointer<Bool>
  ) {
    guard count > 0 else { return }
    if scores.count <= 16 {
      // The few columns of a pattern are not worth an array.
      for _ in 0..<count {
        var least: Int?
        for index in scores.indices where keeps[index] && least.map({ scores[index] < scores[$0] }) ?? true {
          least = index
        }
        if let least { keeps[least] = false }
      }
      return
    }
    let limit = value(at: count - 1, ofSorted: scores)
    remove(below: limit, orFirst: count - scores.count { $0 < limit }, scores, keeps)
  }

  /// Takes the scores below a limit, and the first few of those at it, out of a mask.
  private static func remove(
    below limit: Float, orFirst equal: Int, _ scores: UnsafeBufferPointer<Float>,
    _ keeps: UnsafeMutableBufferPointer<Bool>
  ) {
    var left = equal
    for index in scores.indices {
      if scores[index] < limit {
        keeps[index] = false
      } else if scores[index] == limit, left > 0 {
        keeps[index] = false
        left -= 1
      }
    }
  }
}

extension Matrix {
  /// The mean of each block; those at the edges may be cut off.
  func means(of block: BlockShape) -> Matrix {
    let grid = block.grid(rows: rows, columns: columns)
    var (sums, counts) = (
      Matrix(rows: grid.rows, columns: grid.columns), [Float](repeating: 0, count: grid.rows * grid.columns)
    )
    for (index, value) in values.enumerated() {
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      let target = row / block.rows * grid.columns + column / block.columns
      sums.values[target] += value
      counts[target] += 1
    }
    for index in counts.indices { sums.values[index] /= counts[index] }
    return sums
  }
}
