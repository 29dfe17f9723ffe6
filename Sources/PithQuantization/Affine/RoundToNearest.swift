import PithTensors
import PithWeights

/// Round to nearest: each weight takes the nearest code of its group's grid, w ≈ s · (c − z).
///
/// Asymmetric: s = (max − min)/(2^b − 1) over the group's range, widened to contain 0, and z = round(−min/s).
/// Symmetric: s = max|w|/(2^(b−1) − 1), and z = 2^(b−1) needs no storage. Groups of equal weights are exact to
/// float16. With the layer loss, `ClipSearch` chooses the range. Source: arXiv
/// 1712.05877, section 2.1.
enum RoundToNearest {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> CompressedMatrix {
    if let activations = IntegerProduct.Activations(options.activations) {
      return CompressedMatrix(
        .integer(
          try RowIntegers.rounded(
            weight, bits: options.bits, rangeSearch: options.rangeSearch, activations: activations, on: pool))
      )
    }
    let groupSize = min(options.groupSize ?? weight.columns, weight.columns)
    let groups = weight.groups(of: groupSize)
    let clip = options.loss == .layer ? statistics.map { ClipSearch($0.hessian, groupSize: groupSize) } : nil
    let grids = weight.map(groupsOf: groupSize, on: pool) { group, weights in
      AffineGrid(fitting: weights, bits: options.bits, symmetric: options.symmetric) { grid in
        clip?.best(group, for: weights, grid: grid) ?? options.rangeSearch.best(for: weights, grid: grid)
      }
    }
    let codes = weight.packedRows(bits: options.bits, on: pool) { row, weights, codes in
      for group in 0..<groups {
        let columns = weight.columns(ofGroup: group, size: groupSize)
        grids[row * groups + group].round(
          UnsafeBufferPointer(rebasing: weights[columns]), into: codes + columns.lowerBound)
      }
    }
    return CompressedMatrix(
      .affine(
        try Affine(
          weight, bits: options.bits, groupSize: groupSize, codes: codes, grids: grids,
          symmetric: options.symmetric)))
  }

  /// The layer loss chooses ranges by itself, and of weights alone.
  static func check(_ options: MethodOptions) throws(MethodError) {
    if options.loss == .layer, options.rangeSearch != .minMax || options.activations != .none {
      throw .rangeBySearchAndLoss
    }
  }
}

extension Affine {
  /// The storage of a weight of codes and their groups' grids.
  ///
  /// - Parameter codes: packed rows.
  /// - Throws: `MethodError.tooLarge` if float16 cannot hold a scale.
  init(
    _ weight: Matrix, bits: Int, groupSize: Int, codes: Bytes, grids: [AffineGrid], symmetric: Bool
  ) throws(MethodError) {
    let perRow = weight.groups(of: groupSize)
    if let index = grids.firstIndex(where: { !$0.scale.isFinite }) {
      throw .tooLarge(row: index / perRow, column: index % perRow * groupSize)
    }
    self.init(
      rows: weight.rows, columns: weight.columns, bits: bits, groupSize: groupSize, codes: codes,
      scales: .float16(Bytes(copying: grids.map { Half.encode($0.scale) })),
      zeros: symmetric
        ? nil : .codes(Packing.pack(grids.map { UInt8($0.zero) }, rows: weight.rows, bits: bits)))
  }
}
