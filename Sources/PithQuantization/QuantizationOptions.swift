/// What a method may be told: the size of its codes, what shares a scale, how the range is chosen.
///
///     var options = QuantizationMethod.named("rtn")!.defaults
///     options.bits = 3
///     options.groupSize = 32
///
/// A method refuses an option that it would not read (see `QuantizationMethod.options`), so a setting never
/// passes without effect.
public struct QuantizationOptions: Sendable, Equatable {
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

  /// Integer products: the |x| from which on a feature is an outlier and kept out of the integers; nil for none.
  public var threshold: Float?

  /// Integer products: whether outliers are those of calibration, stored apart, instead of those of each batch.
  public var fixedOutliers: Bool

  /// Options with the given values.
  public init(
    bits: Int = 4, groupSize: Int? = nil, symmetric: Bool = false, rangeSearch: RangeSearch = .minMax,
    doubleQuantization: Bool = false, tablePerRow: Bool = false, threshold: Float? = nil,
    fixedOutliers: Bool = false
  ) {
    self.bits = bits
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.rangeSearch = rangeSearch
    self.doubleQuantization = doubleQuantization
    self.tablePerRow = tablePerRow
    self.threshold = threshold
    self.fixedOutliers = fixedOutliers
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
    /// `threshold`.
    case threshold
    /// `fixedOutliers`.
    case fixedOutliers = "fixed-outliers"
  }

  /// Whether `self` and `other` agree in the option called `name`.
  func agrees(with other: QuantizationOptions, in name: Name) -> Bool {
    switch name {
    case .bits: bits == other.bits
    case .groupSize: groupSize == other.groupSize
    case .symmetric: symmetric == other.symmetric
    case .rangeSearch: rangeSearch == other.rangeSearch
    case .doubleQuantization: doubleQuantization == other.doubleQuantization
    case .tablePerRow: tablePerRow == other.tablePerRow
    case .threshold: threshold == other.threshold
    case .fixedOutliers: fixedOutliers == other.fixedOutliers
    }
  }
}
