import PithCheckpoints
import PithModels
import PithTensors

/// How much each layer changes the residual stream: 1 less the mean cosine of a token's state before it to that after it
/// (the block influence of Men et al., arXiv 2403.03853, eq. 1).
struct LayerChanges {
  /// About how many tokens are read.
  private static let tokens = 4096

  private let sequences: [[Int32]]
  private let pool: ThreadPool

  /// - Parameter sequences: calibration; the first few are read.
  init(_ sequences: [[Int32]], on pool: ThreadPool) {
    var count = 0
    self.sequences = Array(
      sequences.prefix { sequence in
        defer { count += sequence.count }
        return count < Self.tokens
      })
    self.pool = pool
  }

  /// The layers that stay when some go one by one, each time the one that changes least in what is left.
  ///
  /// - Parameter progress: called when one has gone.
  func kept(of model: Model, dropping count: Int, progress: () -> Void) -> [Int] {
    var kept = Array(0..<ModelShape(model).layers)
    for _ in 0..<count {
      let changes = changes(model.keeping(layers: kept))
      kept.remove(at: changes.indices.min { changes[$0] < changes[$1] }!)
      progress()
    }
    return kept
  }

  /// The change by layer.
  func changes(_ model: Model) -> [Double] {
    var sums = [Double](repeating: 0, count: ModelShape(model).layers)
    for tokens in sequences {
      let batch = Batch([(sequence: 0, position: 0, tokens: tokens)])
      var before: Matrix?
      var layer = 0
      model.follow(batch, on: pool) { state in
        if let before {
          sums[layer] += Double(tokens.count) * (1 - before.meanCosine(to: state))
          layer += 1
        }
        before = state
      }
    }
    return sums.map { $0 / Double(sequences.reduce(0) { $0 + $1.count }) }
  }
}

extension Matrix {
  /// The mean over rows of the cosine to those of another matrix.
  func meanCosine(to other: Matrix) -> Double {
    var sum = 0.0
    for row in 0..<rows {
      var (xy, xx, yy) = (0.0, 0.0, 0.0)
      for (x, y) in zip(self[row: row], other[row: row]) {
        xy += Double(x) * Double(y)
        xx += Double(x) * Double(x)
        yy += Double(y) * Double(y)
      }
      sum += xy / max((xx * yy).squareRoot(), .leastNormalMagnitude)
    }
    return sum / Double(max(rows, 1))
  }
}
