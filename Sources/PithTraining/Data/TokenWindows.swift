import CPithKernels
import PithModels
import PithTensors

/// Windows of a stream of tokens: random ones to learn from, and others that follow each other to measure with.
public struct TokenWindows: Sendable {
  /// Tokens that go through a model together, and the one that should follow each.
  public struct Part: Sendable {
    /// The tokens, a sequence for each window.
    public let batch: Batch
    /// The token that follows each row.
    public let targets: [Int32]
  }

  /// The tokens to learn from.
  public let tokens: [Int32]
  /// The tokens that are held out.
  public let heldOut: [Int32]
  /// Tokens per window.
  public let window: Int

  /// Windows of a stream, whose last share is held out; nil if either part has no whole window.
  public init?(_ stream: [Int32], heldOut share: Double, window: Int) {
    let cut = stream.count - Int((Double(stream.count) * share).rounded())
    tokens = Array(stream[..<cut])
    heldOut = Array(stream[cut...])
    self.window = window
    guard tokens.count > window, heldOut.count > window else { return nil }
  }

  /// Windows of sequences, one after the other, and of others that are held out; nil if either has no whole window.
  public init?(_ sequences: [[Int32]], heldOut: [[Int32]], window: Int) {
    self.init(tokens: Array(sequences.joined()), heldOut: Array(heldOut.joined()), window: window)
    guard tokens.count > window, self.heldOut.count > window else { return nil }
  }

  /// One of some parts of what is learned from, which have stretches of it in turn, so that none has only the end or the beginning; all is
  /// held out that was.
  ///
  /// - Returns: nil where a part has no window.
  func share(_ part: Int, of count: Int) -> TokenWindows? {
    let stretch = max(1, min(16 * window, (tokens.count + count - 1) / count))
    let own = stride(from: part * stretch, to: tokens.count, by: count * stretch).flatMap {
      tokens[$0..<min($0 + stretch, tokens.count)]
    }
    return own.count > window ? TokenWindows(tokens: own, heldOut: heldOut, window: window) : nil
  }

  private init(tokens: [Int32], heldOut: [Int32], window: Int) {
    (self.tokens, self.heldOut, self.window) = (tokens, heldOut, window)
  }

  /// The windows of a step: each begins anywhere, and the same step draws the same ones again.
  public func part(ofStep step: Int, windows: Int, seed: UInt64) -> Part {
    var generator = SeededGenerator(seed: seed &+ UInt64(step) &* 0x9E6C_63D0_876A_9A47)
    let starts = (0..<windows).map { _ in Int(generator.next() % UInt64(tokens.count - window)) }
    return part(tokens, starts)
  }

  /// All windows to learn from, one after the other.
  var all: [[Int32]] {
    stride(from: 0, through: tokens.count - window, by: window).map { Array(tokens[$0..<($0 + window)]) }
  }

  /// All held-out windows, some at a time.
  public func heldOutParts(windows: Int) -> [Part] {
    let starts = Array(stride(from: 0, to: heldOut.count - window, by: window))
    return stride(from: 0, to: starts.count, by: windows).map {
      part(heldOut, Array(starts[$0..<min($0 + windows, starts.count)]))
    }
  }

  private func part(_ tokens: [Int32], _ starts: [Int]) -> Part {
    Part(
      batch: Batch(
        starts.enumerated().map { (sequence: $0, position: 0, tokens: Array(tokens[$1..<($1 + window)])) }),
      targets: starts.flatMap { tokens[($0 + 1)..<($0 + 1 + window)] })
  }
}

extension Decoder {
  /// The mean loss of the tokens that follow each row, in nats.
  public func loss(_ part: TokenWindows.Part, pool: ThreadPool) -> Double {
    var sum = 0.0
    Self.forEachLogits([self], part.batch, pool) { row, scores in
      sum += Double(logSumExp(scores[0]) - scores[0][Int(part.targets[row])])
    }
    return sum / Double(part.targets.count)
  }

  /// The mean loss, and the mean of KL(teacher ‖ self) over rows, in nats.
  func quality(like teacher: Decoder, on part: TokenWindows.Part, pool: ThreadPool) -> HeldOutQuality {
    var (loss, divergence) = (0.0, 0.0)
    Self.forEachLogits([teacher, self], part.batch, pool) { row, scores in
      loss += Double(logSumExp(scores[1]) - scores[1][Int(part.targets[row])])
      divergence += Double(pith_kl_divergence(scores[0], scores[1], scores[0].count))
    }
    let count = Double(part.targets.count)
    return HeldOutQuality(loss: loss / count, divergence: divergence / count)
  }

  /// Calls `body` with each row and its logits of some decoders.
  private static func forEachLogits(
    _ decoders: [Decoder], _ batch: Batch, _ pool: ThreadPool,
    _ body: (_ row: Int, _ scores: [[Float]]) -> Void
  ) {
    var run = Inference(batch, pool: pool)
    let states = decoders.map { $0.states(batch.tokens, &run) }
    // A vocabulary is wide: not all logits at one time.
    for start in stride(from: 0, to: batch.count, by: 256) {
      let rows = Array(start..<min(start + 256, batch.count))
      let logits = zip(decoders, states).map { $0.logits(run.select($1, rows: rows), &run) }
      for (place, row) in rows.enumerated() { body(row, logits.map { Array($0[row: place]) }) }
    }
  }
}
