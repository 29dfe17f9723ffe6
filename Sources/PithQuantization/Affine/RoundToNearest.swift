import PithTensors
import PithWeights

/// Round to nearest: each weight takes the nearest code of its group's grid, w ≈ s · (c − z).
///
/// Asymmetric: s = (max − min)/(2^b − 1) over the group's range, widened to contain 0, and z = round(−min/s).
/// Symmetric: s = max|w|/(2^(b−1) − 1), and z = 2^(b−1) needs no storage. Groups of equal weights are exact to
/// float16. Source: METHODS, linear quantization.
enum RoundToNearest {
  static func quantize(
    _ weight: Matrix, _ options: QuantizationOptions, _ pool: ThreadPool
  ) throws(QuantizationError) -> StoredMatrix {
    if let activations = IntegerProduct.Activations(options.activations) {
      return .integer(
        try RowIntegers.rounded(
          weight, bits: options.bits, rangeSearch: options.rangeSearch, activations: activations, on: pool))
    }
    let groupSize = min(options.groupSize ?? weight.columns, weight.columns)
    let groups = weight.groups(of: groupSize)
    let grids = weight.map(groupsOf: groupSize, on: pool) { weights in
      AffineGrid(
        fitting: weights, bits: options.bits, symmetric: options.symmetric, range: options.rangeSearch)
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
    return .affine(
      Affine(
        rows: weight.rows, columns: weight.columns, bits: options.bits, groupSize: groupSize, codes: codes,
        scales: .float16(Bytes(copying: grids.map { Half.encode($0.scale) })),
        zeros: options.symmetric ? nil : .codes(Packing.pack(zeros, rows: weight.rows, bits: options.bits))))
  }
}
