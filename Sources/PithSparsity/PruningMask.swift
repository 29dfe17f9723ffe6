import PithQuantization
import PithTensors

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

  /// How many of some weights go.
  package static func count(_ share: Float, of weights: Int) -> Int {
    min(Int((Double(share) * Double(weights)).rounded()), max(weights - 1, 0))
  }

  /// Takes the `count` least of some scores out of a mask.
  package static func remove(
    _ count: Int, _ scores: UnsafeBufferPointer<Float>, _ keeps: UnsafeMutableBufferPointer<Bool>
  ) {
    guard count > 0 else { return }
    let limit = scores.sorted()[count - 1]
    var left = count
    for index in scores.indices where scores[index] < limit {
      keeps[index] = false
      left -= 1
    }
    for index in scores.indices where left > 0 && scores[index] == limit {
      keeps[index] = false
      left -= 1
    }
  }
}
