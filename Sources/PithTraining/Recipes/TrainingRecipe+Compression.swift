import PithModels

extension TrainingRecipe {
  /// What is compressed while the rest learns.
  public enum Compression: Sendable, Equatable {
    /// A part of the weights goes.
    case sparsity(Sparsity)
    /// Layers become integers.
    case quantization(Quantization)

    /// What is learned of a map so that it can be compressed; nil where it is not.
    func learned(of map: Linear, headDimension: Int) -> Learned? {
      guard map.place.layer != nil else { return nil }
      switch self {
      case .sparsity(let sparsity): return sparsity.learned(of: map, headDimension: headDimension)
      case .quantization: return .weights
      }
    }

    /// What is learned of a weight.
    enum Learned {
      /// The weight alone.
      case weights
      /// Its variances beside it.
      case variances
      /// Gates of its blocks beside it.
      case gates(GateGrid)
    }

    /// The learning rate of gates and variances, which are logarithms: from open to closed it takes some hundred steps.
    static let rate: Float = 0.05
  }

  /// Whether a part of the model goes.
  var takesAway: Bool { if case .sparsity = compression { true } else { false } }

  /// How much of the whole is compressed at a share of the way to it.
  public enum Pace: String, Sendable, CaseIterable {
    /// 1 − (1 − x)³: most of it early.
    case cubic
    /// As much each time.
    case even
    /// All at the first step.
    case once

    func done(_ share: Double) -> Double {
      let x = min(1, max(0, share))
      return switch self {
      case .cubic: 1 - (1 - x) * (1 - x) * (1 - x)
      case .even: x
      case .once: 1
      }
    }
  }

  /// Layers that are rounded to integers one after the other, while those that are left learn.
  ///
  ///     quantization: {bits: 3, group-size: 64}
  public struct Quantization: Sendable, Equatable {
    /// Bits of a weight.
    public var bits = 4
    /// Columns of a row that share a scale.
    public var groupSize = 64
    /// The share of the training after which all layers are integers.
    public var until: Double = 0.6
    /// How they become it.
    public var schedule = Pace.even
    /// Steps from one time to the next.
    public var every = 1

    /// Four bits in groups of 64.
    public init() {}
  }

  /// What of a model's layers goes while the rest learns.
  ///
  ///     sparsity: {method: l0, of: heads, target: 60%}
  public struct Sparsity: Sendable, Equatable {
    /// How it is chosen what goes.
    public enum Method: String, Sendable, CaseIterable {
      /// The weights nearest to 0, more and more of them (Zhu and Gupta, arXiv 1710.01878).
      case magnitude
      /// What learned gates close (Louizos et al., arXiv 1712.01312).
      case l0
      /// Weights that are mostly noise (Molchanov et al., arXiv 1701.05369).
      case variational
    }

    /// What goes as a whole.
    public enum Unit: String, Sendable, CaseIterable {
      case weights, neurons, heads
      /// The attention, or the feed-forward part, of a layer.
      case layers
    }

    /// How it is chosen what goes.
    public var method = Method.magnitude
    /// What goes as a whole.
    public var unit = Unit.weights
    /// The share that is gone in the end.
    public var target: Float = 0.5
    /// The share of the training after which it is to be gone; the rest learns on.
    public var until: Double = 0.6
    /// Magnitude: how it goes.
    public var schedule = Pace.cubic
    /// Magnitude: steps from one time to the next.
    public var every = 10

    /// Half of the weights.
    public init() {}

    fileprivate func learned(of map: Linear, headDimension: Int) -> Compression.Learned? {
      let (rows, columns, role) = (map.weight.rows, map.weight.columns, map.place.role)
      switch (method, unit) {
      case (.magnitude, _): return .weights
      case (.variational, _): return .variances
      case (.l0, .weights): return .gates(GateGrid(blockRows: 1, blockColumns: 1))
      case (.l0, .neurons): return role == .down ? .gates(GateGrid(blockRows: rows, blockColumns: 1)) : nil
      case (.l0, .heads):
        return role == .attentionOutput
          ? .gates(GateGrid(blockRows: rows, blockColumns: headDimension)) : nil
      case (.l0, .layers):
        return role == .attentionOutput || role == .down
          ? .gates(GateGrid(blockRows: rows, blockColumns: columns)) : nil
      }
    }
  }
}
