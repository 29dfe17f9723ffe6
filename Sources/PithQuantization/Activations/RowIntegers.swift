import PithTensors
import PithWeights

/// Integer products out of what methods have: codes and scales, or a weight to round.
enum RowIntegers {
  /// An integer product of packed codes c, which stand for scale · (c − 2^(bits−1)).
  ///
  /// Scales that are all float16 values are stored as such, others in float32; none changes.
  static func product(
    codes: Bytes, scales: [Float], columns: Int, bits: Int, activations: IntegerProduct.Activations,
    threshold: Float? = nil
  ) -> IntegerProduct {
    let halves = scales.map(Half.encode)
    let areHalves = zip(scales, halves).allSatisfy { $0 == Half.decode($1) }
    return IntegerProduct(
      rows: scales.count, columns: columns, bits: bits, codes: codes,
      scales: areHalves ? .float16(Bytes(copying: halves)) : .float32(Bytes(copying: scales)),
      activations: activations, threshold: threshold)
  }

  /// A weight rounded to symmetric integers with a scale per row.
  ///
  /// - Throws: `MethodError` if the weight is too wide for sums in 32 bits, or too large for its scales.
  static func rounded(
    _ weight: Matrix, bits: Int, rangeSearch: RangeSearch, activations: IntegerProduct.Activations,
    threshold: Float? = nil, on pool: ThreadPool
  ) throws(MethodError) -> IntegerProduct {
    guard weight.columns <= IntegerProduct.largestColumns else {
      throw .tooWide(weight.columns, allowed: IntegerProduct.largestColumns)
    }
    let grids = weight.map(groupsOf: weight.columns, on: pool) { _, row in
      AffineGrid(fitting: row, bits: bits, symmetric: true, range: rangeSearch)
    }
    if let row = grids.firstIndex(where: { !$0.scale.isFinite }) { throw .tooLarge(row: row, column: 0) }
    let codes = weight.packedRows(bits: bits, on: pool) { row, weights, codes in
      grids[row].round(weights, into: codes)
    }
    return product(
      codes: codes, scales: grids.map(\.scale), columns: weight.columns, bits: bits, activations: activations,
      threshold: threshold)
  }
}

extension IntegerProduct.Activations {
  /// What an option asks for; nil for activations that stay as they are.
  init?(_ option: MethodOptions.Activations) {
    switch option {
    case .none: return nil
    case .int8: self = .int8
    case .int4: self = .int4
    }
  }
}
