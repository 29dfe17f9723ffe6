/// The tokens that go through a model together: each row says which sequence it belongs to and where it stands in it.
///
/// One prompt, one token each of many sequences, or any mixture of these are the same to the model.
public struct Batch: Sendable, Equatable {
  /// The token of each row.
  public let tokens: [Int32]

  /// The sequence of each row: consecutive rows of one sequence stand together, positions rising by one.
  public let sequences: [Int]

  /// The position of each row in its sequence, from 0.
  public let positions: [Int]

  /// The segment of each row (BERT's token type), 0 for all but the second of two texts.
  public let segments: [Int32]

  /// The consecutive rows of one sequence.
  public struct Run: Sendable, Equatable {
    /// The sequence.
    public let sequence: Int
    /// The rows of the batch.
    public let rows: Range<Int>
    /// The position of the first row.
    public let position: Int
  }

  /// The runs in the order of the rows.
  public let runs: [Run]

  /// The number of rows.
  public var count: Int { tokens.count }

  /// Texts, each continuing its sequence from a position.
  ///
  /// - Precondition: no sequence appears twice.
  public init(_ parts: [(sequence: Int, position: Int, tokens: [Int32])], segments: [Int32]? = nil) {
    var tokens: [Int32] = []
    var sequences: [Int] = []
    var positions: [Int] = []
    var runs: [Run] = []
    for part in parts where !part.tokens.isEmpty {
      precondition(!runs.contains { $0.sequence == part.sequence }, "sequence \(part.sequence) twice")
      let rows = tokens.count..<(tokens.count + part.tokens.count)
      runs.append(Run(sequence: part.sequence, rows: rows, position: part.position))
      tokens += part.tokens
      sequences += rows.map { _ in part.sequence }
      positions += part.position..<(part.position + part.tokens.count)
    }
    self.tokens = tokens
    self.sequences = sequences
    self.positions = positions
    self.runs = runs
    self.segments = segments ?? [Int32](repeating: 0, count: tokens.count)
  }
}
