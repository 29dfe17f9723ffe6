import PithTensors
import PithWeights

/// Codes that stay, of which the table's values and the groups' scales are learned.
///
/// Scales are learned as shares of those in the beginning; those that are themselves codes stay.
struct LearnedTable: Sendable {
  private let shape: Codebook
  private let codes: [UInt8]
  private let scales: [Float]
  private let scalesAreLearned: Bool

  init(_ codebook: Codebook) {
    shape = codebook
    codes = Packing.unpack(
      codebook.codes, rows: codebook.rows, columns: codebook.columns, bits: codebook.bits)
    switch codebook.scales {
    case .float32(let values): (scales, scalesAreLearned) = (values.array(of: Float.self), true)
    case .float16(let values): (scales, scalesAreLearned) = (values.halves, true)
    case .doubleQuantized: (scales, scalesAreLearned) = (Self.scales(of: codebook), false)
    case nil:
      (scales, scalesAreLearned) = ([Float](repeating: 1, count: codebook.rows * codebook.groups), false)
    }
  }

  /// Scales that are codes, found by what a table of ones decodes to.
  private static func scales(of codebook: Codebook) -> [Float] {
    let ones = [Float](repeating: 1, count: (codebook.tablePerRow ? codebook.rows : 1) << codebook.bits)
    let plain = StoredMatrix.codebook(codebook.with(tables: ones, scales: codebook.scales)).decoded()
    return (0..<codebook.rows).flatMap { row in
      (0..<codebook.groups).map { plain[row, $0 * codebook.groupSize] }
    }
  }

  /// What is learned, as it is in the beginning: tables, one in a row, and the share of each scale.
  var factors: [Matrix] {
    let values = shape.tablePerRow ? shape.tables.halves : shape.tables.array(of: Float.self)
    let levels = 1 << shape.bits
    let tables = Matrix(rows: values.count / levels, columns: levels, values: values)
    guard scalesAreLearned else { return [tables] }
    let ones = [Float](repeating: 1, count: scales.count)
    return [tables, Matrix(rows: shape.rows, columns: shape.groups, values: ones)]
  }

  /// The weight.
  func weight(_ factors: [Matrix], on pool: ThreadPool?) -> Matrix { stored(factors).decoded(on: pool) }

  /// Adds the gradients of what is learned to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], into gradients: inout [Matrix], on pool: ThreadPool?
  ) {
    let tables = factors[0]
    let levels = tables.columns
    let shares = scalesAreLearned ? factors[1].values : []
    // One table in all is summed in parts, which are added in order: the result does not depend on the number of threads.
    let sums = Matrix.summed(rows: shape.rows, on: pool, like: gradients) { row, sums in
      let table = shape.tablePerRow ? row : 0
      for group in 0..<shape.groups {
        let place = row * shape.groups + group
        let scale = scales[place] * (scalesAreLearned ? shares[place] : 1)
        var slope: Float = 0
        let first = group * shape.groupSize
        for column in first..<min(first + shape.groupSize, shape.columns) {
          let (code, part) = (
            Int(codes[row * shape.columns + column]), gradient.values[row * shape.columns + column]
          )
          sums[0].values[table * levels + code] += scale * part
          slope += part * tables.values[table * levels + code]
        }
        if scalesAreLearned { sums[1].values[place] += slope * scales[place] }
      }
    }
    for (index, sum) in sums.enumerated() { gradients[index].add(sum) }
  }

  /// The weight in its storage.
  func stored(_ factors: [Matrix]) -> StoredMatrix {
    var written = shape.scales
    if scalesAreLearned {
      let now = zip(scales, factors[1].values).map { $0 * $1 }
      written =
        if case .float32 = shape.scales { .float32(Bytes(copying: now)) } else {
          .float16(Bytes(halves: now))
        }
    }
    return .codebook(shape.with(tables: factors[0].values, scales: written))
  }
}

extension Codebook {
  /// The same codes of other values.
  fileprivate func with(tables: [Float], scales: Scales?) -> Codebook {
    Codebook(
      rows: rows, columns: columns, bits: bits, codes: codes,
      tables: tablePerRow ? Bytes(halves: tables) : Bytes(copying: tables), tablePerRow: tablePerRow,
      groupSize: groupSize, scales: scales)
  }
}

extension Bytes {
  /// Float16 values.
  init(halves values: [Float]) { self.init(copying: values.map { Half.encode($0).littleEndian }) }
}
