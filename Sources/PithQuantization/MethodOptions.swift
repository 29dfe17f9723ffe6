import PithWeights

/// What a method may be told: the size of its codes, what shares a scale, how the range is chosen.
///
///     var options = CompressionMethod.named("rtn")!.defaults
///     options.bits = 3
///     options.groupSize = 32
///
/// A method refuses an option that it would not read (see `CompressionMethod.options`), so a setting never
/// passes without effect.
public struct MethodOptions: Sendable, Equatable {
  /// Bits per code.
  public var bits: Int

  /// Consecutive columns of a row that share a scale; the last group of a row is shorter where the columns do
  /// not divide, and a size above the columns means one group per row.
  ///
  /// With nil, `rtn`, `nf4` and `af4` use one scale per row, and the fitted codebooks (`kmeans`, `percentile`)
  /// none at all: their tables hold the weights themselves.
  public var groupSize: Int?

  /// Affine codes: whether the range is symmetric about 0, which needs no stored zero points.
  public var symmetric: Bool

  /// Affine codes: how the range of a group is chosen.
  public var rangeSearch: RangeSearch

  /// Fixed codebooks: whether the scales are quantized in turn, from 32 bits each to 8 and a little.
  public var doubleQuantization: Bool

  /// Fitted codebooks: whether each row has a table of its own (float16) instead of one (float32) for the
  /// whole matrix.
  ///
  /// A table per row costs 16 · 2^bits / columns bits per weight: 0.44 at 4 bits and 576 columns.
  public var tablePerRow: Bool

  /// Second-order methods: the order in which columns are quantized.
  public var actOrder: ActivationOrder

  /// Second-order methods: the share of the mean diagonal of H that is added to it.
  public var damping: Float

  /// GPTQ: the values that weights can take.
  public var grid: Grid

  /// SmoothQuant: how far outliers move from the inputs into the weights, from 0 to 1.
  public var alpha: Float

  /// The values that GPTQ's weights can take.
  public enum Grid: String, Sendable, CaseIterable {
    /// Evenly spaced integers.
    case affine
    /// The values of NF4.
    case nf4
    /// The values of AF4 for the group's size.
    case af4
  }

  /// Fitted codebooks, vectors: what is made small; without calibration it is the plain error in any case.
  public var loss: QuantizationLoss

  /// Vectors: consecutive columns of a row that share a code.
  public var dimension: Int

  /// Vectors: codewords in a sum (`aq`, `lsq`), or sub-spaces with a codebook of their own (`pq`, `opq`).
  public var codebooks: Int

  /// Vectors: alternations of codes and codebooks.
  public var iterations: Int

  /// Vectors: where random numbers come from.
  public var seed: UInt64

  /// Integer products: the |x| from which on a feature is an outlier and kept out of the integers; nil for none.
  public var threshold: Float?

  /// SpQR: the share of weights that are kept apart; QUIK: that of columns.
  public var outlierShare: Float

  /// SpQR: bits of the scales of groups.
  public var scaleBits: Int

  /// Integers: whether activations are quantized too, at run time, and multiplied as integers.
  public var activations: Activations

  /// What happens to activations at run time.
  public enum Activations: String, Sendable, CaseIterable {
    /// They stay float32.
    case none
    /// 8 bits, symmetric, token by token.
    case int8
    /// 4 bits, asymmetric, token by token.
    case int4
  }

  /// Integer products: whether outliers are those of calibration, stored apart, instead of those of each batch.
  public var fixedOutliers: Bool

  /// Pruning: how many weights go, and where.
  public var sparsity: Sparsity

  /// Pruning: the shape of blocks that go whole; nil for single weights.
  public var block: BlockShape?

  /// Pruning: among which weights those of least score are sought.
  public var scope: PruningScope

  /// Pruning in the scope of a model: which weights of this matrix go, found before; no option of its own. Without it the matrix is all
  /// there is.
  public var cutoff: Cutoff?

  /// Which weights go: those of less than a magnitude, and the first few of those that have it.
  public struct Cutoff: Sendable, Equatable {
    /// The magnitude.
    public var magnitude: Float
    /// How many weights of this magnitude go.
    public var equal: Int

    /// A cutoff.
    public init(magnitude: Float, equal: Int) {
      self.magnitude = magnitude
      self.equal = equal
    }
  }

  /// SparseGPT: whether blocks of columns may lose different shares.
  public var dynamic: Bool

  /// Factorization: the inner size of products; nil for that of half of the parameters.
  public var rank: Int?

  /// Options with the given values.
  public init(
    bits: Int = 4, groupSize: Int? = nil, symmetric: Bool = false, rangeSearch: RangeSearch = .minMax,
    doubleQuantization: Bool = false, tablePerRow: Bool = false, actOrder: ActivationOrder = .none,
    damping: Float = 0.01, grid: Grid = .affine, alpha: Float = 0.5, loss: QuantizationLoss = .plain,
    dimension: Int = 8, codebooks: Int = 1, iterations: Int = 8, seed: UInt64 = 0,
    threshold: Float? = nil, fixedOutliers: Bool = false, outlierShare: Float = 0.01, scaleBits: Int = 3,
    activations: Activations = .none, sparsity: Sparsity = .share(0.5), block: BlockShape? = nil,
    scope: PruningScope = .row,
    dynamic: Bool = false, rank: Int? = nil
  ) {
    self.bits = bits
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.rangeSearch = rangeSearch
    self.doubleQuantization = doubleQuantization
    self.tablePerRow = tablePerRow
    self.actOrder = actOrder
    self.damping = damping
    self.grid = grid
    self.alpha = alpha
    self.loss = loss
    self.dimension = dimension
    self.codebooks = codebooks
    self.iterations = iterations
    self.seed = seed
    self.threshold = threshold
    self.fixedOutliers = fixedOutliers
    self.outlierShare = outlierShare
    self.scaleBits = scaleBits
    self.activations = activations
    self.sparsity = sparsity
    self.block = block
    self.scope = scope
    self.dynamic = dynamic
    self.rank = rank
  }

  /// An option's name, as the command line spells it.
  public enum Name: String, Sendable, CaseIterable {
    /// `bits`.
    case bits
    /// `groupSize`.
    case groupSize = "group-size"
    /// `symmetric`.
    case symmetric
    /// `rangeSearch`.
    case rangeSearch = "range-search"
    /// `doubleQuantization`.
    case doubleQuantization = "double-quantization"
    /// `tablePerRow`.
    case tablePerRow = "table-per-row"
    /// `actOrder`.
    case actOrder = "act-order"
    /// `damping`.
    case damping
    /// `grid`.
    case grid
    /// `alpha`.
    case alpha
    /// `loss`.
    case loss
    /// `dimension`.
    case dimension
    /// `codebooks`.
    case codebooks
    /// `iterations`.
    case iterations
    /// `seed`.
    case seed
    /// `threshold`.
    case threshold
    /// `fixedOutliers`.
    case fixedOutliers = "fixed-outliers"
    /// `outlierShare`.
    case outlierShare = "outlier-share"
    /// `scaleBits`.
    case scaleBits = "scale-bits"
    /// `activations`.
    case activations
    /// `sparsity`.
    case sparsity
    /// `block`.
    case block
    /// `scope`.
    case scope
    /// `dynamic`.
    case dynamic
    /// `rank`.
    case rank
  }

  /// Whether `self` and `other` agree in an option.
  func agrees(with other: MethodOptions, in name: Name) -> Bool {
    text(of: name) == other.text(of: name)
  }

  /// Whether a method that can do without calibration is asked to look at it.
  public var usesCalibration: Bool { loss != .plain || fixedOutliers }
}
