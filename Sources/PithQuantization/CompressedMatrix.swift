import PithWeights

/// What a method made of a weight, and what it had to note on the way.
public struct CompressedMatrix: Sendable {
  /// The weight in its new storage.
  public var matrix: StoredMatrix

  /// Numerical trouble, never silent.
  public var notes: [Note]

  /// A stored matrix with notes.
  public init(_ matrix: StoredMatrix, notes: [Note] = []) {
    self.matrix = matrix
    self.notes = notes
  }

  /// Something that a user should know about one matrix.
  public enum Note: Sendable, Equatable, Hashable {
    /// So many columns were 0 in every calibration row; their weights became 0.
    case deadColumns(Int)

    /// So many of the last columns are too few for a pattern, and stay as they are.
    case denseColumns(Int)

    /// H was not positive definite until this share of its mean diagonal was added.
    case raisedDamping(Float)

    /// The relative layer loss is above that of rounding to nearest.
    case worseThanRounding(loss: Double, rounding: Double)

    /// Another share of the weights was removed than was wanted.
    case otherShare(Float, wanted: Float)

    /// The matrix takes more bytes than in float16.
    case largerThanHalf(bytes: Int, half: Int)
  }
}

extension CompressedMatrix.Note: CustomStringConvertible {
  /// A clause for a report.
  public var description: String {
    switch self {
    case .deadColumns(let count): "\(count) input columns were always 0 in the calibration text"
    case .denseColumns(let count):
      count == 1
        ? "the last column does not fill a pattern and stays dense"
        : "the last \(count) columns do not fill a pattern and stay dense"
    case .otherShare(let share, let wanted):
      "\(Self.percent(share)) of the weights are removed, not \(Self.percent(wanted)): whole blocks, or a limit that was estimated, allow no other share"
    case .raisedDamping(let damping): "damping was raised to \(damping) to factor H"
    case .worseThanRounding(let loss, let rounding):
      "the relative loss of \(Self.short(loss)) is above that of rounding to nearest, \(Self.short(rounding))"
    case .largerThanHalf(let bytes, let half):
      "it takes \(bytes) bytes, more than the \(half) of float16: larger groups or smaller tables would take less"
    }
  }

  private static func percent(_ share: Float) -> String { "\((1000 * share).rounded() / 10)%" }

  /// Three digits are enough to compare.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, value > 0 else { return "\(value)" }
    var (scaled, exponent) = (value, 0)
    while scaled < 100 { (scaled, exponent) = (scaled * 10, exponent - 1) }
    while scaled >= 1000 { (scaled, exponent) = (scaled / 10, exponent + 1) }
    var digits = scaled.rounded()
    for _ in 0..<abs(exponent) { digits = exponent < 0 ? digits / 10 : digits * 10 }
    return "\(Float(digits))"
  }
}
