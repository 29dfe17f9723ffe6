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
  }
}

extension CompressedMatrix.Note: CustomStringConvertible {
  /// A clause for a report.
  public var description: String {
    switch self {
    case .deadColumns(let count): "\(count) input columns were always 0 in the calibration text"
    case .denseColumns(let count): "the last \(count) columns do not fill a pattern and stay dense"
    case .raisedDamping(let damping): "damping was raised to \(damping) to factor H"
    case .worseThanRounding(let loss, let rounding):
      "the relative loss of \(loss) is above that of rounding to nearest, \(rounding)"
    }
  }
}
