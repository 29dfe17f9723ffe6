import PithModels
import PithTensors
import PithTokenizers

/// An encoder with its tokenizer: texts to vectors, and texts to classes.
public struct TextEncoder: Sendable {
  /// The transformer.
  public let encoder: Encoder
  /// Text to tokens.
  public let tokenizer: Tokenizer
  /// The most tokens of a text that are read.
  public let maxTokens: Int
  /// Whether embeddings are scaled to length 1.
  public let normalizes: Bool
  /// The threads that compute.
  public let pool: ThreadPool

  /// The most rows that go through the encoder together.
  private static let batchRows = 1024

  /// An encoder from its parts.
  public init(encoder: Encoder, tokenizer: Tokenizer, maxTokens: Int, normalizes: Bool, pool: ThreadPool) {
    self.encoder = encoder
    self.tokenizer = tokenizer
    self.maxTokens = maxTokens
    self.normalizes = normalizes
    self.pool = pool
  }

  /// The embeddings of texts: the mean over the states of each text's tokens. Longer texts than the model can read
  /// are cut.
  ///
  /// - Parameter progress: called after each batch with how many texts are done.
  /// - Returns: one row per text, in the order given.
  public func embed(_ texts: [String], progress: (Int) -> Void = { _ in }) -> Matrix {
    let width = encoder.configuration.width
    var result = Matrix(rows: texts.count, columns: width)
    forEachBatch(texts, progress) { places, batch, states, _ in
      for (place, run) in zip(places, batch.runs) {
        var mean = [Float](repeating: 0, count: width)
        for row in run.rows { for (column, value) in states[row: row].enumerated() { mean[column] += value } }
        let length =
          normalizes ? mean.reduce(0) { $0 + $1 * $1 }.squareRoot() : Float(run.rows.count)
        for column in 0..<width { result[place, column] = mean[column] / max(length, .leastNormalMagnitude) }
      }
    }
    return result
  }

  /// The logits of the classes of texts: one row per text.
  ///
  /// - Parameter progress: called after each batch with how many texts are done.
  /// - Returns: nil for a model without a classification head.
  public func classLogits(_ texts: [String], progress: (Int) -> Void = { _ in }) -> Matrix? {
    guard encoder.classification != nil else { return nil }
    var result = Matrix(rows: texts.count, columns: encoder.configuration.labels.count)
    forEachBatch(texts, progress) { places, batch, states, run in
      guard let logits = encoder.classLogits(states, of: batch, &run) else { return }
      for (row, place) in places.enumerated() {
        for column in 0..<logits.columns { result[place, column] = logits[row, column] }
      }
    }
    return result
  }

  /// The tokens of a text; of one that is too long, the first ones and the last, which closes it.
  private func tokens(_ text: String) -> [Int32] {
    let tokens = tokenizer.encode(text)
    return tokens.count <= maxTokens ? tokens : tokens.prefix(maxTokens - 1) + tokens.suffix(1)
  }

  /// Sends texts through the encoder, those of like length together.
  private func forEachBatch(
    _ texts: [String], _ progress: (Int) -> Void,
    _ body: (_ places: [Int], Batch, Matrix, inout Inference) -> Void
  ) {
    let encoded = texts.map(tokens)
    var waiting = encoded.indices.filter { !encoded[$0].isEmpty }.sorted {
      encoded[$0].count < encoded[$1].count
    }[...]
    while let first = waiting.first {
      var rows = encoded[first].count
      var places = [first]
      waiting.removeFirst()
      while let next = waiting.first, rows + encoded[next].count <= Self.batchRows {
        rows += encoded[next].count
        places.append(next)
        waiting.removeFirst()
      }
      let batch = Batch(
        places.enumerated().map { (sequence: $0, position: 0, tokens: encoded[$1]) })
      var run = Inference(batch, pool: pool)
      let states = encoder.states(batch, &run)
      body(places, batch, states, &run)
      progress(texts.count - waiting.count)
    }
  }
}
