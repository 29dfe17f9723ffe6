import PithWeights

/// Where a matrix stands in a transformer: its layer, if it has one, and its role there.
public struct Place: Sendable, Hashable {
  /// What a matrix does.
  public enum Role: String, Sendable, CaseIterable {
    case embedding
    case positions
    case segments
    case query
    case key
    case value
    case attentionOutput
    case gate
    case up
    case down
    case head
    case pooler
    case classifier
  }

  /// The layer, from 0; nil for what stands outside of the layers.
  public let layer: Int?

  /// The role.
  public let role: Role

  /// A role in a layer, or outside of the layers.
  public init(_ role: Role, layer: Int? = nil) {
    self.layer = layer
    self.role = role
  }
}

/// A linear map x · Wᵀ + b.
public struct Linear: Sendable {
  /// The matrix: outputs × inputs.
  public var weight: StoredMatrix
  /// One value per output.
  public var bias: [Float]?
  /// Where the map stands.
  public let place: Place

  /// A map at a place.
  public init(_ weight: StoredMatrix, bias: [Float]? = nil, at place: Place) {
    precondition(bias.map { $0.count == weight.rows } ?? true, "one bias per output")
    self.weight = weight
    self.bias = bias
    self.place = place
  }
}

/// Where a norm stands in a transformer: its layer, if it has one, and its role there.
public struct NormPlace: Sendable, Hashable {
  /// What a norm stands before or after.
  public enum Role: String, Sendable, CaseIterable {
    case embedding
    case attention
    case query
    case key
    case attentionOutput
    case feedForward
    case feedForwardOutput
    case final
  }

  /// The layer, from 0; nil for what stands outside of the layers.
  public let layer: Int?

  /// The role.
  public let role: Role

  /// A role in a layer, or outside of the layers.
  public init(_ role: Role, layer: Int? = nil) {
    self.layer = layer
    self.role = role
  }
}

/// A normalization with learned scales.
public struct Norm: Sendable {
  /// What is normalized.
  public enum Kind: Sendable {
    /// x / √(mean(x²) + ε) · w (Zhang and Sennrich, arXiv 1910.07467).
    case rootMeanSquare

    /// (x − mean) / √(variance + ε) · w + b (Ba et al., arXiv 1607.06450).
    case layer(bias: [Float])
  }

  /// The kind.
  public let kind: Kind
  /// One scale per column.
  public let weight: [Float]
  /// ε.
  public let epsilon: Float
  /// Where the norm stands.
  public let place: NormPlace

  /// A norm at a place.
  public init(_ kind: Kind, weight: [Float], epsilon: Float, at place: NormPlace) {
    self.kind = kind
    self.weight = weight
    self.epsilon = epsilon
    self.place = place
  }
}
