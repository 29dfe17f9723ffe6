import PithTensors
import PithWeights

/// Round to nearest: each weight takes the nearest code of its group's grid, w ≈ s · (c − z).
///
/// Asymmetric: s = (max − min)/(2^b − 1) over the group's range, widened to contain 0, and z = round(−min/s).
/// Symmetric: s = max|w|/(2^(b−1) − 1), and z = 2^(b−1) needs no storage. Groups of equal weights are exact to
/// float16. With the layer loss, `ClipSearch` chooses the range. Source: METHODS, linear quantization.
enum RoundToNearest {
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, _ options: QuantizationOptions, _ pool: ThreadPool
  ) throws(QuantizationError) -> QuantizedMatrix {
    if let activations = IntegerProduct.Activations(options.activations) {
      return QuantizedMatrix(
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
    if let index = grids.firstIndex(where: { !$0.scale.isFinite }) {
      throw .tooLarge(row: index / groups, column: index % groups * groupSize)
    }
    let codes = weight.packedRows(bits: options.bits, on: pool) { row, weights, codes in
      for group in 0..<groups {
        let columns = weight.columns(ofGroup: group, size: groupSize)
        grids[row * groups + group].round(
          UnsafeBufferPointer(rebasing: weights[columns]), into: codes + columns.lowerBound)
      }
    }
    let zeros = grids.map { UInt8($0.zero) }
    return QuantizedMatrix(
      .affine(
        Affine(
          rows: weight.rows, columns: weight.columns, bits: options.bits, groupSize: groupSize, codes: codes,
          scales: .float16(Bytes(copying: grids.map { Half.encode($0.scale) })),
          zeros: options.symmetric ? nil : .codes(Packing.pack(zeros, rows: weight.rows, bits: options.bits)))
      )
    )
  }
}
