import PithTensors
import PithWeights

/// How the weights of one group are given codes.
package protocol GroupFit: Sendable {
  associatedtype Group

  /// What the weights of a group share: a scale, perhaps a zero point.
  func fit(_ weights: UnsafeBufferPointer<Float>) -> Group

  /// The code nearest to a weight.
  func code(_ weight: Float, _ group: Group) -> UInt8

  /// What a code decodes to.
  func value(_ code: UInt8, _ group: Group) -> Float
}

/// A sweep of GPTQ in which consecutive columns share what `GroupFit` fits to them.
struct GroupedSweep<Fit: GroupFit> {
  let weight: Matrix
  let fit: Fit
  let groupSize: Int
  /// The columns as they are stored: the sweep's order, or their own.
  let storedOrder: [Int]?
  /// `rows × columns` codes, as they are stored.
  let codes: [UInt8]
  /// `rows × groups`.
  let groups: [Fit.Group]

  /// The most columns of a block where a group has more.
  private static var largestBlock: Int { 128 }

  init(
    _ weight: Matrix, _ factor: InverseFactor, _ groupSize: Int, _ actOrder: ActivationOrder, _ fit: Fit,
    on pool: ThreadPool
  ) {
    let columns = weight.columns
    let starts = stride(from: 0, to: columns, by: groupSize)
    let isStatic = actOrder == .static
    // Where groups are fitted beforehand, the sweep passes them in any order.
    let blocks = stride(from: 0, to: columns, by: isStatic ? columns : groupSize).flatMap { start in
      let end = min(start + (isStatic ? columns : groupSize), columns)
      return stride(from: start, to: end, by: Self.largestBlock).map { first in
        SweepBlock(
          columns: first..<min(first + Self.largestBlock, end),
          fitting: first == start && !isStatic ? start..<end : first..<first)
      }
    }
    let rows = GPTQ.sweep(weight, factor, blocks: blocks, on: pool) { row in
      var quantizer = GroupedRow(fit: fit, order: factor.order, groupSize: groupSize, isStatic: isStatic)
      if isStatic {
        weight.values.withUnsafeBufferPointer { values in
          for start in starts {
            let group = (row * columns + start)..<(row * columns + min(start + groupSize, columns))
            quantizer.groups.append(fit.fit(UnsafeBufferPointer(rebasing: values[group])))
          }
        }
      }
      return quantizer
    }
    self.weight = weight
    self.fit = fit
    self.groupSize = groupSize
    storedOrder = actOrder == .stored ? factor.order : nil
    if isStatic {
      var codes = [UInt8](repeating: 0, count: weight.rows * columns)
      for (row, quantizer) in rows.enumerated() {
        for (position, column) in factor.order.enumerated() {
          codes[row * columns + column] = quantizer.codes[position]
        }
      }
      self.codes = codes
    } else {
      codes = rows.flatMap(\.codes)
    }
    groups = rows.flatMap(\.groups)
  }

  /// The storage behind the order of columns, if that is stored.
  func behindOrder(_ matrix: StoredMatrix) -> StoredMatrix {
    guard let storedOrder else { return matrix }
    let order = Bytes(copying: storedOrder.map { UInt16($0).littleEndian })
    return .transformed(Transformed(.permutation(order), matrix))
  }
}

/// One row of a grouped sweep.
private struct GroupedRow<Fit: GroupFit>: SweepRow {
  let fit: Fit
  let order: [Int]
  let groupSize: Int
  let isStatic: Bool
  var groups: [Fit.Group] = []
  var codes: [UInt8] = []

  mutating func fit(_ weights: UnsafeBufferPointer<Float>, at positions: Range<Int>) {
    groups.append(fit.fit(weights))
  }

  mutating func quantize(_ weight: Float, at position: Int) -> Float {
    let group = groups[(isStatic ? order[position] : position) / groupSize]
    let code = fit.code(weight, group)
    codes.append(code)
    return fit.value(code, group)
  }
}

/// Evenly spaced integers with a scale and perhaps a zero point.
package struct AffineFit: GroupFit {
  package let bits: Int
  let symmetric: Bool
  let range: RangeSearch

  package init(bits: Int, symmetric: Bool, range: RangeSearch) {
    self.bits = bits
    self.symmetric = symmetric
    self.range = range
  }

  package func fit(_ weights: UnsafeBufferPointer<Float>) -> AffineGrid {
    AffineGrid(fitting: weights, bits: bits, symmetric: symmetric, range: range)
  }

  package func code(_ weight: Float, _ grid: AffineGrid) -> UInt8 { grid.code(weight) }

  package func value(_ code: UInt8, _ grid: AffineGrid) -> Float { grid.value(code) }
}

extension GroupedSweep<AffineFit> {
  /// The integers, packed.
  ///
  /// - Throws: `MethodError.tooLarge` if float16 cannot hold a scale.
  func affine() throws(MethodError) -> StoredMatrix {
    let packed = Packing.pack(codes, rows: weight.rows, bits: fit.bits)
    return behindOrder(
      .affine(
        try Affine(
          weight, bits: fit.bits, groupSize: groupSize, codes: packed, grids: groups, symmetric: fit.symmetric
        )))
  }
}

extension GroupedSweep<AffineFit> {
  /// The integers of rows with one scale each, multiplied as integers.
  ///
  /// - Throws: `MethodError` if the weight is too wide for sums in 32 bits, or too large for its scales.
  func integer(_ activations: IntegerProduct.Activations) throws(MethodError) -> StoredMatrix {
    guard weight.columns <= IntegerProduct.largestColumns else {
      throw .tooWide(weight.columns, allowed: IntegerProduct.largestColumns)
    }
    if let row = groups.firstIndex(where: { !$0.scale.isFinite }) { throw .tooLarge(row: row, column: 0) }
    return .integer(
      RowIntegers.product(
        codes: Packing.pack(codes, rows: weight.rows, bits: fit.bits), scales: groups.map(\.scale),
        columns: weight.columns, bits: fit.bits, activations: activations))
  }
}

/// The values of one table times a float16 scale, the group's largest magnitude.
package struct TableFit: GroupFit {
  let table: CodeTable

  /// The values of the table.
  package var values: [Float] { table.values }

  package init(_ values: [Float]) { table = CodeTable(nearest: values) }

  package func fit(_ weights: UnsafeBufferPointer<Float>) -> Float {
    Half.decode(Half.encode(weights.reduce(Float(0)) { max($0, $1.magnitude) }))
  }

  package func code(_ weight: Float, _ scale: Float) -> UInt8 { table.code(scale == 0 ? 0 : weight / scale) }

  package func value(_ code: UInt8, _ scale: Float) -> Float { table.values[Int(code)] * scale }
}

extension GroupedSweep<TableFit> {
  /// The codes, packed.
  ///
  /// - Throws: `MethodError.tooLarge` if float16 cannot hold a scale.
  func codebook() throws(MethodError) -> StoredMatrix {
    let perRow = weight.groups(of: groupSize)
    if let index = groups.firstIndex(where: { !$0.isFinite }) {
      throw .tooLarge(row: index / perRow, column: index % perRow * groupSize)
    }
    let bits = fit.table.values.count.trailingZeroBitCount
    return behindOrder(
      .codebook(
        Codebook(
          rows: weight.rows, columns: weight.columns, bits: bits,
          codes: Packing.pack(codes, rows: weight.rows, bits: bits),
          tables: Bytes(copying: fit.table.values), tablePerRow: false, groupSize: groupSize,
          scales: .float16(Bytes(copying: groups.map(Half.encode))))))
  }
}
