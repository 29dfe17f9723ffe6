import PithQuantization
import PithTensors
import PithWeights

/// The storage of weights of which a mask says which stay.
enum SparseStorage {
  /// The weights without those of least score.
  ///
  /// - Throws: `MethodError` if the storage would be larger than that of all weights, or float16 cannot hold a value.
  static func store(
    _ weight: Matrix, _ scores: Matrix, _ options: MethodOptions, on pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    let mask = PruningMask(
      scores, options.sparsity, scope: options.scope, block: options.block, on: pool)
    return CompressedMatrix(try store(weight, mask, options, on: pool), notes: notes(mask, options))
  }

  /// What there is to say of a mask and the sparsity that was wanted.
  static func notes(_ mask: PruningMask, _ options: MethodOptions) -> [CompressedMatrix.Note] {
    switch options.sparsity {
    case .pattern(let zeros, let count):
      return zeros > 0 && mask.columns % count > 0 ? [.denseColumns(mask.columns % count)] : []
    case .share(let share):
      let removed = Float(mask.keeps.count { !$0 }) / Float(mask.keeps.count)
      return abs(removed - share) > 0.01 ? [.otherShare(removed, wanted: share)] : []
    }
  }

  /// The weights that a mask keeps, in the format that the options say; grids are fitted to what stays.
  static func store(
    _ weight: Matrix, _ mask: PruningMask, _ options: MethodOptions, on pool: ThreadPool
  ) throws(MethodError) -> StoredMatrix {
    let pruned = weight.applying(mask)
    switch SurvivorFormat(options) {
    case .float16: return try float16(pruned, mask, options)
    case .integers(let fit):
      let size = options.groupSize(of: weight)
      let grids = pruned.map(groupsOf: size, on: pool) { fit.fit($1) }
      return try coded(pruned, mask, grids, fit, options)
    case .table(let fit):
      let size = options.groupSize(of: weight)
      let scales = pruned.map(groupsOf: size, on: pool) { fit.fit($1) }
      return try coded(pruned, mask, scales, fit, options)
    }
  }

  /// Float16 weights behind a mask.
  static func float16(
    _ weight: Matrix, _ mask: PruningMask, _ options: MethodOptions
  ) throws(MethodError) -> StoredMatrix {
    let halves = zip(weight.values, mask.keeps).filter(\.1).map { Half.encode($0.0) }
    if let index = weight.values.firstIndex(where: { !Half.decode(Half.encode($0)).isFinite }) {
      throw .valueTooLarge(row: index / weight.columns, column: index % weight.columns)
    }
    let masked = Masked(
      rows: weight.rows, columns: weight.columns, positions: mask.positions(options),
      values: .float16(Bytes(copying: halves)))
    return try smallerThanDense(masked, bits: 16, scaleBytes: 0)
  }

  /// Codes behind a mask, of weights that lie on the grids of their groups or near.
  static func coded<Fit: SurvivorFit>(
    _ weight: Matrix, _ mask: PruningMask, _ groups: [Fit.Group], _ fit: Fit, _ options: MethodOptions
  ) throws(MethodError) -> StoredMatrix {
    let groupSize = options.groupSize(of: weight)
    let perRow = (weight.columns + groupSize - 1) / groupSize
    let scales = groups.map(fit.scale)
    if let index = scales.firstIndex(where: { !$0.isFinite }) {
      throw .tooLarge(row: index / perRow, column: index % perRow * groupSize)
    }
    var codes: [UInt8] = []
    for (index, value) in weight.values.enumerated() where mask.keeps[index] {
      let group = index / weight.columns * perRow + index % weight.columns / groupSize
      codes.append(fit.code(value, groups[group]))
    }
    let stored = Masked.Scales(groupSize: groupSize, values: Bytes(copying: scales.map(Half.encode)))
    let values: Masked.Values
    if let table = fit.table {
      values = .fourBits(
        codes: Packing.pack(codes, rows: 1, bits: 4), table: Bytes(copying: table), scales: stored)
    } else {
      values = .int8(codes: Bytes(copying: codes), scales: stored)
    }
    let masked = Masked(
      rows: weight.rows, columns: weight.columns, positions: mask.positions(options), values: values)
    return try smallerThanDense(masked, bits: fit.table == nil ? 8 : 4, scaleBytes: 2 * scales.count)
  }

  /// Refuses a mask that takes more than it saves.
  private static func smallerThanDense(
    _ masked: Masked, bits: Int, scaleBytes: Int
  ) throws(MethodError) -> StoredMatrix {
    let dense = (masked.rows * masked.columns * bits + 7) / 8 + scaleBytes
    let matrix = StoredMatrix.masked(masked)
    guard matrix.byteCount < dense else { throw .largerThanDense(bytes: matrix.byteCount, dense: dense) }
    return matrix
  }
}

/// How surviving weights are written.
enum SurvivorFormat {
  case float16
  case integers(AffineFit)
  case table(TableFit)

  init(_ options: MethodOptions) {
    switch (options.bits, options.grid) {
    case (16, _): self = .float16
    case (_, .affine):
      self = .integers(AffineFit(bits: options.bits, symmetric: true, range: options.rangeSearch))
    case (_, .nf4): self = .table(TableFit(NormalFloat.values))
    case (_, .af4): self = .table(TableFit(AbnormalFloat.values(blockSize: options.groupSize ?? 64)))
    }
  }
}

/// A fit of groups whose codes stand for a scale times a value that is the same for all groups.
protocol SurvivorFit: GroupFit {
  /// The scale of a group.
  func scale(_ group: Group) -> Float

  /// The 16 values of codes of four bits; nil for codes c of eight that stand for c − 128.
  var table: [Float]? { get }
}

extension AffineFit: SurvivorFit {
  func scale(_ grid: AffineGrid) -> Float { grid.scale }
  var table: [Float]? { bits == 4 ? (0..<16).map { Float($0 - 8) } : nil }
}

extension TableFit: SurvivorFit {
  func scale(_ scale: Float) -> Float { scale }
  var table: [Float]? { values }
}

extension MethodOptions {
  /// The columns of a group of a weight.
  func groupSize(of weight: Matrix) -> Int { min(groupSize ?? weight.columns, weight.columns) }
}

extension Matrix {
  /// The matrix with 0 where a mask removes.
  func applying(_ mask: PruningMask) -> Matrix {
    Matrix(rows: rows, columns: columns, values: zip(values, mask.keeps).map { $1 ? $0 : 0 })
  }
}

extension PruningMask {
  /// The smallest form of the positions that stay.
  func positions(_ options: MethodOptions) -> Masked.Positions {
    var pattern: (kept: Int, of: Int)?
    if case .pattern(let zeros, let count) = options.sparsity { pattern = (count - zeros, count) }
    return .smallest(rows: rows, columns: columns, pattern: pattern, block: options.block) {
      keeps[$0 * columns + $1]
    }
  }
}
