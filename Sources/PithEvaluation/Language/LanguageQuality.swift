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
  /// - Parameter progress: called after each window with how many are done.
  public func measure(
    _ model: Decoder, against reference: Decoder? = nil, pool: ThreadPool, progress: (Int) -> Void = { _ in }
  ) -> LanguageQuality {
    var sums = Sums()
    for (index, window) in windows.enumerated() {
      add(window, model, reference, pool, to: &sums)
      progress(index + 1)
    }
    let count = Double(sums.tokens)
    return LanguageQuality(
      perplexity: Elementary.exp(sums.negativeLogLikelihood / count),
      klDivergence: reference.map { _ in sums.divergence / count },
      top1Agreement: reference.map { _ in Double(sums.agreements) / count },
      windows: windows.count, tokens: sums.tokens)
  }

  private struct Sums {
    var negativeLogLikelihood = 0.0
    var divergence = 0.0
    var agreements = 0
    var tokens = 0
  }

  /// Rows whose logits are held at one time.
  private static let rows = 64

  private func add(
    _ window: [Int32], _ model: Decoder, _ reference: Decoder?, _ pool: ThreadPool, to sums: inout Sums
  ) {
    var reading = Reading(model, window, pool)
    var referenceReading = reference.map { Reading($0, window, pool) }
    let predicted = window.count - 1
    for start in stride(from: 0, to: predicted, by: Self.rows) {
      let rows = start..<min(start + Self.rows, predicted)
      let logits = reading.logits(rows)
      let referenceLogits = referenceReading?.logits(rows)
      precondition(
        referenceLogits.map { $0.columns == logits.columns } ?? true, "models of different vocabularies")
      for (row, position) in rows.enumerated() {
        let next = Int(window[position + 1])
        precondition(next >= 0 && next < logits.columns, "token \(next) of \(logits.columns)")
        logits.values.withUnsafeBufferPointer { values in
          let scores = values.baseAddress! + row * logits.columns
          let normalizer = pith_log_sum_exp(scores, logits.columns)
          sums.negativeLogLikelihood += Double(normalizer - scores[next])
          referenceLogits?.values.withUnsafeBufferPointer { reference in
            let truth = reference.baseAddress! + row * logits.columns
            sums.divergence += Double(pith_kl_divergence(truth, scores, logits.columns))
            sums.agreements +=
              pith_argmax(truth, logits.columns) == pith_argmax(scores, logits.columns) ? 1 : 0
          }
        }
      }
    }
    sums.tokens += predicted
  }

  /// A model that has read a window.
  private struct Reading {
    let model: Decoder
    var run: Inference
    let states: Matrix

    init(_ model: Decoder, _ window: [Int32], _ pool: ThreadPool) {
      self.model = model
      let cache = KeyValueCache(model.configuration, capacity: window.count)
      run = Inference(Batch([(sequence: 0, position: 0, tokens: window)]), cache: cache, pool: pool)
      states = model.states(window, &run)
    }

    mutating func logits(_ rows: Range<Int>) -> Matrix {
      model.logits(run.select(states, rows: Array(rows)), &run)
    }
  }
}
