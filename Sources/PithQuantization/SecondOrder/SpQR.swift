import PithTensors
import PithWeights

/// SpQR (Dettmers et al., arXiv 2306.03078): few bits in small groups, whose scales are quantized in turn, and about 1% of
/// the weights, the most sensitive ones, apart in 16 bits.
///
/// The sensitivity of weight j is how much the group's loss Σ (w − q)²/(2·U_jj²), U the factor of H⁻¹, falls when the
/// group's grid is fitted without it and it is kept as it is. (The paper has [H⁻¹]_jj: all other columns make up for an
/// error in j. In a sweep only those behind j can, of whom U_jj² speaks.) A weight above the threshold τ is an outlier; τ is such that a given share of the
/// weights, as they came, lies above. Then GPTQ's sweep quantizes the rest.
enum SpQR {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    guard weight.columns <= Sparse.largestColumns else {
      throw .tooWide(weight.columns, allowed: Sparse.largestColumns)
    }
    let columns = weight.columns
    let groupSize = min(options.groupSize ?? columns, columns)
    let factor = try InverseFactor(statistics, order: Array(0..<columns), damping: options.damping)
    let weight = weight.settingToZero(columns: factor.deadColumns)
    // [H⁻¹]_jj given the columns before j is U_jj², which is what the sweep pays for an error in j.
    let importance = (0..<columns).map { 1 / (2 * factor.upper[$0, $0] * factor.upper[$0, $0]) }
    let fit = AffineFit(bits: options.bits, symmetric: false, range: options.rangeSearch)
    let outlierFit = OutlierFit(fit: fit, importance: importance)
    let threshold = outlierFit.threshold(weight, groupSize, share: options.outlierShare, on: pool)
    let scaleGrids = outlierFit.scaleGrids(weight, groupSize, threshold, bits: options.scaleBits, on: pool)

    let blocks = stride(from: 0, to: columns, by: groupSize).flatMap { start in
      let end = min(start + groupSize, columns)
      return stride(from: start, to: end, by: 128).map {
        SweepBlock(columns: $0..<min($0 + 128, end), fitting: $0 == start ? start..<end : $0..<$0)
      }
    }
    let rows = GPTQ.sweep(weight, factor, blocks: blocks, on: pool) { row in
      SpQRRow(outlierFit: outlierFit, threshold: threshold, scales: scaleGrids[row], groupSize: groupSize)
    }
    if let row = rows.firstIndex(where: { !$0.grids.allSatisfy(\.scale.isFinite) }) {
      throw .tooLarge(row: row, column: 0)
    }
    return CompressedMatrix(store(rows, columns, groupSize, options), notes: factor.notes)
  }

  private static func store(
    _ rows: [SpQRRow], _ columns: Int, _ groupSize: Int, _ options: MethodOptions
  ) -> StoredMatrix {
    let (bits, scaleBits) = (options.bits, options.scaleBits)
    let scales = Affine.QuantizedScales(
      bits: scaleBits, groupSize: ScaleGrid.groups,
      codes: Packing.pack(rows.flatMap(\.scaleCodes), rows: rows.count, bits: scaleBits),
      steps: Bytes(copying: rows.flatMap { $0.scales.map { Half.encode($0.step) } }),
      minima: Bytes(copying: rows.flatMap { $0.scales.map { Half.encode($0.minimum) } }))
    let base = Affine(
      rows: rows.count, columns: columns, bits: bits, groupSize: groupSize,
      codes: Packing.pack(rows.flatMap(\.codes), rows: rows.count, bits: bits), scales: .quantized(scales),
      zeros: .codes(
        Packing.pack(rows.flatMap { $0.grids.map { UInt8($0.zero) } }, rows: rows.count, bits: bits)))
    // The outlier's own code is that of its group's zero, which decodes to 0: the sum is the outlier.
    let outliers = Matrix(rows: rows.count, columns: columns, values: rows.flatMap(\.outliers))
    return .sum(MatrixSum([.affine(base), .sparse(Sparse(outliers))]))
  }
}

/// Finds outliers of groups and fits grids without them.
struct OutlierFit: Sendable {
  let fit: AffineFit
  /// 1/(2·[H⁻¹]_jj) of each column.
  let importance: [Float]

  /// How much the loss of a group falls for each weight that is kept apart.
  func sensitivities(_ weights: UnsafeBufferPointer<Float>, at first: Int) -> [Float] {
    let whole = loss(weights, at: first, on: fit.fit(weights), without: nil)
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: weights.count) { rest in
      weights.indices.map { index in
        for other in weights.indices { rest[other] = other == index ? 0 : weights[other] }
        // 0 lies on every grid that contains 0, as all do.
        return whole - loss(weights, at: first, on: fit.fit(UnsafeBufferPointer(rest)), without: index)
      }
    }
  }

  private func loss(
    _ weights: UnsafeBufferPointer<Float>, at first: Int, on grid: AffineGrid, without skipped: Int?
  ) -> Float {
    var sum: Float = 0
    for index in weights.indices where index != skipped {
      let error = weights[index] - grid.value(grid.code(weights[index]))
      sum += error * error * importance[first + index]
    }
    return sum
  }

  /// The sensitivity that a share of a weight's entries lies above.
  func threshold(_ weight: Matrix, _ groupSize: Int, share: Float, on pool: ThreadPool) -> Float {
    guard share > 0 else { return .infinity }
    let columns = weight.columns
    let all = [Float](unsafeUninitializedCapacity: weight.values.count) { target, filled in
      let target = target
      weight.values.withUnsafeBufferPointer { values in
        pool.forEach(count: weight.rows, grain: weight.rowsPerPart) { rows in
          for row in rows {
            for group in 0..<weight.groups(of: groupSize) {
              let range = weight.columns(ofGroup: group, size: groupSize)
              let slice = values[(row * columns + range.lowerBound)..<(row * columns + range.upperBound)]
              let found = sensitivities(UnsafeBufferPointer(rebasing: slice), at: range.lowerBound)
              for (index, column) in range.enumerated() {
                (target.baseAddress! + row * columns + column).initialize(to: found[index])
              }
            }
          }
        }
      }
      filled = weight.values.count
    }
    let count = min(all.count - 1, Int((share * Float(all.count)).rounded()))
    return max(0, all.sorted(by: >)[count])
  }

  /// The second grids: for runs of groups of each row, the range of their scales.
  func scaleGrids(
    _ weight: Matrix, _ groupSize: Int, _ threshold: Float, bits: Int, on pool: ThreadPool
  ) -> [[ScaleGrid]] {
    let groups = weight.groups(of: groupSize)
    let columns = weight.columns
    let scales = weight.values.withUnsafeBufferPointer { values in
      [Float](unsafeUninitializedCapacity: weight.rows * groups) { target, filled in
        let target = target
        pool.forEach(count: weight.rows, grain: weight.rowsPerPart) { rows in
          for row in rows {
            for group in 0..<groups {
              let range = weight.columns(ofGroup: group, size: groupSize)
              let slice = values[(row * columns + range.lowerBound)..<(row * columns + range.upperBound)]
              let weights = UnsafeBufferPointer(rebasing: slice)
              let (outliers, grid) = split(weights, at: range.lowerBound, threshold)
              let isZero = weights.indices.allSatisfy { outliers[$0] || weights[$0] == 0 }
              (target.baseAddress! + row * groups + group).initialize(to: isZero ? 0 : grid.scale)
            }
          }
        }
        filled = weight.rows * groups
      }
    }
    return (0..<weight.rows).map { row in
      stride(from: 0, to: groups, by: ScaleGrid.groups).map { first in
        ScaleGrid(
          scales[(row * groups + first)..<(row * groups + min(first + ScaleGrid.groups, groups))], bits: bits)
      }
    }
  }

  /// The outliers of a group, and the grid of the rest.
  func split(
    _ weights: UnsafeBufferPointer<Float>, at first: Int, _ threshold: Float
  ) -> (outliers: [Bool], grid: AffineGrid) {
    let outliers =
      threshold.isFinite
      ? sensitivities(weights, at: first).map { $0 > threshold } : weights.map { _ in false }
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: weights.count) { rest in
      for index in weights.indices { rest[index] = outliers[index] ? 0 : weights[index] }
      return (outliers, fit.fit(UnsafeBufferPointer(rest)))
    }
  }
}

/// Evenly spaced scales for a run of groups.
struct ScaleGrid: Sendable {
  /// Groups that share a grid.
  static let groups = 16

  let step: Float
  let minimum: Float
  let levels: Int

  /// - Parameter scales: of some groups; 0 for a group of zeros, which any scale decodes.
  init(_ scales: ArraySlice<Float>, bits: Int) {
    levels = 1 << bits
    let used = scales.filter { $0 > 0 }
    let (low, high) = (used.min() ?? 1, used.max() ?? 1)
    minimum = Half.decode(Half.encode(low))
    step = Half.decode(Half.encode((high - low) / Float(levels - 1)))
  }

  /// The scale of a code, as it decodes.
  func scale(_ code: Int) -> Float { step * Float(code) + minimum }
}

/// One row of SpQR's sweep.
private struct SpQRRow: SweepRow {
  let outlierFit: OutlierFit
  let threshold: Float
  let scales: [ScaleGrid]
  let groupSize: Int
  var grids: [AffineGrid] = []
  var scaleCodes: [UInt8] = []
  var codes: [UInt8] = []
  /// The outliers' values, 0 elsewhere.
  var outliers: [Float] = []
  private var isOutlier: [Bool] = []

  init(outlierFit: OutlierFit, threshold: Float, scales: [ScaleGrid], groupSize: Int) {
    self.outlierFit = outlierFit
    self.threshold = threshold
    self.scales = scales
    self.groupSize = groupSize
  }

  mutating func fit(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>) {
    let (found, grid) = outlierFit.split(weights, at: positions.lowerBound, threshold)
    isOutlier = found
    let levels = scales[grids.count / ScaleGrid.groups]
    let rest = weights.enumerated().map { found[$0.offset] ? 0 : $0.element }
    // Of all scales that can be stored, the one of least error.
    let candidates = (0..<levels.levels).map { (code: $0, grid: grid.withScale(levels.scale($0), for: rest)) }
      .filter { $0.grid.scale > 0 }
    let best = candidates.min { outlierFit.error(rest, $0.grid) < outlierFit.error(rest, $1.grid) }
    scaleCodes.append(UInt8(best?.code ?? 0))
    grids.append(best?.grid ?? grid)
  }

  mutating func quantize(_ weight: Float, at position: Int) -> Float {
    let grid = grids[grids.count - 1]
    if isOutlier[position % groupSize] {
      let value = Half.decode(Half.encode(weight))
      if value.isFinite {
        codes.append(UInt8(grid.zero))
        outliers.append(value)
        return value
      }
    }
    outliers.append(0)
    codes.append(grid.code(weight))
    return grid.value(codes[codes.count - 1])
  }
}

extension OutlierFit {
  /// Σ(w − ŵ)² of some weights on a grid.
  func error(_ weights: [Float], _ grid: AffineGrid) -> Float {
    weights.withUnsafeBufferPointer { RangeSearch.squaredError.error(of: $0, on: grid) }
  }
}
