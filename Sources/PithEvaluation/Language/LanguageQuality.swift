import CPithKernels
import PithModels
import PithTensors

/// How well a model predicts a text, and how close it is to a reference model.
public struct LanguageQuality: Sendable, Equatable {
  /// exp of the mean negative log-likelihood per predicted token.
  public var perplexity: Double

  /// KL(reference ‖ model) in nats, the mean over positions.
  public var klDivergence: Double?

  /// The share of positions at which both find the same token most likely, 0…1.
  public var top1Agreement: Double?

  /// The windows that were read.
  public var windows: Int

  /// The tokens that were predicted.
  public var tokens: Int
}

/// Perplexity over fixed windows that do not overlap: every position of a window but its first is predicted, and no
/// token is put before it. A rest that does not fill a window is left out, unless it is all there is.
public struct LanguageEvaluation: Sendable {
  /// The windows of tokens.
  public let windows: [[Int32]]

  /// The windows of a text.
  ///
  /// - Parameters:
  ///   - tokens: the text, at least two tokens.
  ///   - window: tokens per window, at least 2.
  ///   - maxWindows: how many windows are read; nil for all.
  public init(tokens: [Int32], window: Int, maxWindows: Int? = nil) {
    precondition(window >= 2 && tokens.count >= 2, "a prediction needs two tokens")
    let whole = stride(from: 0, through: tokens.count - window, by: window).map {
      Array(tokens[$0..<($0 + window)])
    }
    windows = Array((whole.isEmpty ? [tokens] : whole).prefix(maxWindows ?? .max))
  }

  /// Windows of at least two tokens each, as they are.
  public init(windows: [[Int32]]) {
    precondition(!windows.isEmpty && windows.allSatisfy { $0.count >= 2 }, "a prediction needs two tokens")
    self.windows = windows
  }

  /// Reads the windows with a model, and with a reference beside it.
  ///
  /// - Precondition: both models know all tokens of the windows, and have one vocabulary.
  /// - Parameters:
  ///   - states: the reference's states of each window, where they are known: then it reads nothing.
  ///   - progress: called after each window with how many are done.
  public func measure(
    _ model: Decoder, against reference: Decoder? = nil, states: [Matrix]? = nil, pool: ThreadPool,
    progress: (Int) -> Void = { _ in }
  ) -> LanguageQuality {
    precondition(states.map { $0.count == windows.count } ?? true, "states of \(windows.count) windows")
    var sums = Sums()
    for (index, window) in windows.enumerated() {
      let reference = reference.map { Reading($0, window, states: states?[index], pool) }
      add(window, Reading(model, window, pool), reference, pool, to: &sums)
      progress(index + 1)
    }
    let count = Double(sums.tokens)
    return LanguageQuality(
      perplexity: Elementary.exp(sums.negativeLogLikelihood / count),
      klDivergence: reference.map { _ in sums.divergence / count },
      top1Agreement: reference.map { _ in Double(sums.agreements) / count },
      windows: windows.count, tokens: sums.tokens)
  }

  /// The states of a window after the last layer: one row per token.
  public func states(_ window: Int, of model: Decoder, pool: ThreadPool) -> Matrix {
    Reading(model, windows[window], pool).states
  }

  private struct Sums {
    var negativeLogLikelihood = 0.0
    var divergence = 0.0
    var agreements = 0
    var tokens = 0
  }

  /// Rows whose logits are held at one time: enough that decoding a head costs little beside multiplying with it, and no
  /// more than 64 MB.
  private static func rows(_ model: Decoder) -> Int {
    max(32, min(256, (1 << 24) / model.configuration.vocabularySize))
  }

  private func add(
    _ window: [Int32], _ reading: Reading, _ reference: Reading?, _ pool: ThreadPool, to sums: inout Sums
  ) {
    var (reading, reference) = (reading, reference)
    let predicted = window.count - 1
    let count = Self.rows(reading.model)
    for start in stride(from: 0, to: predicted, by: count) {
      let rows = start..<min(start + count, predicted)
      let next = Array(window[(rows.lowerBound + 1)...rows.upperBound])
      for score in scores(next, reading.logits(rows), reference?.logits(rows), pool) {
        sums.negativeLogLikelihood += Double(score.negativeLogLikelihood)
        sums.divergence += Double(score.divergence)
        sums.agreements += score.agrees ? 1 : 0
      }
    }
    sums.tokens += predicted
  }

  /// What one position adds.
  private struct Score {
    var negativeLogLikelihood: Float = 0
    var divergence: Float = 0
    var agrees = false
  }

  /// The scores of some rows of logits, of which the tokens that follow are known.
  private func scores(_ next: [Int32], _ logits: Matrix, _ reference: Matrix?, _ pool: ThreadPool) -> [Score]
  {
    let columns = logits.columns
    precondition(reference.map { $0.columns == columns } ?? true, "models of different vocabularies")
    if let token = next.first(where: { $0 < 0 || $0 >= columns }) {
      preconditionFailure("token \(token) of \(columns)")
    }
    var scores = [Score](repeating: Score(), count: next.count)
    scores.withUnsafeMutableBufferPointer { scores in
      nonisolated(unsafe) let scores = scores
      pool.forEach(count: next.count, grain: 4) { rows in
        for row in rows {
          logits[row: row].withUnsafeBufferPointer { values in
            let x = values.baseAddress!
            scores[row].negativeLogLikelihood = pith_log_sum_exp(x, columns) - x[Int(next[row])]
            reference?[row: row].withUnsafeBufferPointer { values in
              let truth = values.baseAddress!
              scores[row].divergence = pith_kl_divergence(truth, x, columns)
              scores[row].agrees = pith_argmax(truth, columns) == pith_argmax(x, columns)
            }
          }
        }
      }
    }
    return scores
  }

  /// A model that has read a window.
  private struct Reading {
    let model: Decoder
    var run: Inference
    let states: Matrix

    init(_ model: Decoder, _ window: [Int32], states: Matrix? = nil, _ pool: ThreadPool) {
      self.model = model
      let cache = KeyValueCache(model.configuration, capacity: window.count)
      run = Inference(Batch([(sequence: 0, position: 0, tokens: window)]), cache: cache, pool: pool)
      self.states = states ?? model.states(window, &run)
    }

    mutating func logits(_ rows: Range<Int>) -> Matrix {
      model.logits(run.select(states, rows: Array(rows)), &run)
    }
  }
}
