import PithGeneration
import PithTensors

/// Pairs of sentences that people scored for likeness (STS-B).
public struct SentenceSimilarity: Sendable {
  /// The first sentence of each pair.
  public let first: [String]
  /// The second sentence of each pair.
  public let second: [String]
  /// What people said, 0–5.
  public let scores: [Double]

  /// Reads STS-B's lines: genre, file, year, id, score, sentence, sentence, separated by tabs; quotes are literal.
  ///
  /// - Throws: `TaskError` naming the first line that is not so.
  public init(stsb text: String) throws(TaskError) {
    var (first, second, scores): ([String], [String], [Double]) = ([], [], [])
    for (number, line) in lines(of: text) {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count >= 7, let score = Double(fields[4]) else {
        throw TaskError(line: number, fault: "seven columns with a score in the fifth are expected")
      }
      scores.append(score)
      first.append(String(fields[5]))
      second.append(String(fields[6]))
    }
    guard scores.count >= 2 else { throw TaskError(line: 1, fault: "at least two pairs are needed") }
    (self.first, self.second, self.scores) = (first, second, scores)
  }

  /// Spearman's correlation of people's scores with the cosine of the model's embeddings.
  ///
  /// - Parameter progress: called now and then with how many of the sentences are done.
  public func spearman(_ model: TextEncoder, progress: (Int) -> Void = { _ in }) -> Double {
    let a = model.embed(first, progress: progress)
    let b = model.embed(second) { progress(first.count + $0) }
    let cosines = (0..<a.rows).map { row -> Double in
      var (ab, aa, bb) = (0.0, 0.0, 0.0)
      for (x, y) in zip(a[row: row], b[row: row]) {
        ab += Double(x * y)
        aa += Double(x * x)
        bb += Double(y * y)
      }
      return ab / max((aa * bb).squareRoot(), .leastNormalMagnitude)
    }
    return PithEvaluation.spearman(scores, cosines)
  }
}
