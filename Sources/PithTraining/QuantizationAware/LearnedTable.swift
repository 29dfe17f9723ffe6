import PithTensors
import PithWeights

/// Codes of tables of values, of which everything is learned: the weights that are rounded to the nearest values, so that codes are
/// revisited at each step, the values, and the scale of each group.
///
/// The weight is s · T(v/s) with the value T(x) that is nearest to x; rounding counts as the identity within the range of the values, as in LSQ (arXiv
/// 1902.08153). Scales are learned as shares of those in the beginning; those that are themselves codes stay.
struct LearnedTable: Sendable {
  private let shape: Codebook
  private let scales: [Float]
  private let scalesAreLearned: Bool

  init(_ codebook: Codebook) {
    shape = codebook
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
    let plain = StoredMatrix.codebook(
      codebook.with(codes: codebook.codes, tables: ones, scales: codebook.scales)
    ).decoded()
    return (0..<codebook.rows).flatMap { row in
      (0..<codebook.groups).map { plain[row, $0 * codebook.groupSize] }
    }
  }

  /// What is learned, as it is in the beginning: tables, one in a row, the weights, and the share of each scale.
  ///
  /// - Parameter original: weights from before; what is rounded is as near to them as it can be without rounding to other values.
  func factors(near original: Matrix?) -> [Matrix] {
    let values = shape.tablePerRow ? shape.tables.halves : shape.tables.array(of: Float.self)
    let levels = 1 << shape.bits
    let tables = Matrix(rows: values.count / levels, columns: levels, values: values)
    var weights = StoredMatrix.codebook(shape).decoded()
    if let original {
      let codes = Packing.unpack(shape.codes, rows: shape.rows, columns: shape.columns, bits: shape.bits)
      let nearest = nearest(tables)
      for row in 0..<shape.rows {
        let table = nearest[shape.tablePerRow ? row : 0]
        for column in 0..<shape.columns {
          let scale = scales[row * shape.groups + column / shape.groupSize]
          let cell = table.cell(of: codes[row * shape.columns + column], times: scale)
          weights[row, column] = min(max(original[row, column], cell.lowerBound), cell.upperBound)
        }
      }
    }
    guard scalesAreLearned else { return [tables, weights] }
    let ones = [Float](repeating: 1, count: scales.count)
    return [tables, weights, Matrix(rows: shape.rows, columns: shape.groups, values: ones)]
  }

  private func nearest(_ tables: Matrix) -> [NearestValue] {
    (0..<tables.rows).map {
      NearestValue(shape.tablePerRow ? tables[row: $0].map(Half.rounded) : Array(tables[row: $0]))
    }
  }

  /// The scale of a group as it is stored.
  private func scale(_ place: Int, _ factors: [Matrix]) -> Float {
    guard scalesAreLearned else { return scales[place] }
    let now = scales[place] * factors[2].values[place]
    return if case .float32 = shape.scales { now } else { Half.rounded(now) }
  }

  /// The weight.
  func weight(_ factors: [Matrix], on pool: ThreadPool?) -> Matrix {
    let nearest = nearest(factors[0])
    return Matrix(rows: shape.rows, columns: shape.columns) { target in
      nonisolated(unsafe) let target = target
      shared(shape.rows, on: pool) { rows in
        forEach(rows, factors, nearest) { place, _, scale, table, x in
          target[place] = scale * table.value(nearestTo: x)
        }
      }
    }
  }

  /// Calls `body` with each weight of some rows: its place, its group, the scale and the table of that, and the weight as a multiple of the scale.
  @inline(__always) private func forEach(
    _ rows: Range<Int>, _ factors: [Matrix], _ nearest: [NearestValue],
    _ body: (_ place: Int, _ group: Int, _ scale: Float, _ table: NearestValue, _ x: Float) -> Void
  ) {
    factors[1].values.withUnsafeBufferPointer { weights in
      for row in rows {
        let table = nearest[shape.tablePerRow ? row : 0]
        for group in 0..<shape.groups {
          let first = group * shape.groupSize
          let scale = scale(row * shape.groups + group, factors)
          let inverse = scale == 0 ? 0 : 1 / scale
          for column in first..<min(first + shape.groupSize, shape.columns) {
            let place = row * shape.columns + column
            body(place, row * shape.groups + group, scale, table, weights[place] * inverse)
          }
        }
      }
    }
  }

  /// Adds the gradients of what is learned to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], into gradients: inout [Matrix], on pool: ThreadPool?
  ) {
    let nearest = nearest(factors[0])
    let levels = factors[0].columns
    var latent = gradients.remove(at: 1)
    latent.values.withUnsafeMutableBufferPointer { latent in
      nonisolated(unsafe) let latent = latent
      // One table in all is summed in parts, which are added in order: the result does not depend on the number of threads.
      let sums = Matrix.summed(rows: shape.rows, on: pool, like: gradients) { row, sums in
        let first = (shape.tablePerRow ? row : 0) * levels
        forEach(row..<(row + 1), factors, nearest) { place, group, scale, table, x in
          let part = gradient.values[place]
          let (code, value) = (table.code(nearestTo: x), table.value(nearestTo: x))
          sums[0].values[first + Int(code)] += scale * part
          let isInside = table.range.contains(x)
          if isInside { latent[place] += part }
          if scalesAreLearned {
            sums[1].values[group] += part * (isInside ? value - x : value) * scales[group]
          }
        }
      }
      for (index, sum) in sums.enumerated() { gradients[index].add(sum) }
    }
    gradients.insert(latent, at: 1)
  }

  /// The weight in its storage.
  func stored(_ factors: [Matrix]) -> StoredMatrix {
    var codes = [UInt8](repeating: 0, count: shape.rows * shape.columns)
    forEach(0..<shape.rows, factors, nearest(factors[0])) { place, _, _, table, x in
      codes[place] = table.code(nearestTo: x)
    }
    var written = shape.scales
    if scalesAreLearned {
      let now = zip(scales, factors[2].values).map { $0 * $1 }
      written =
        if case .float32 = shape.scales { .float32(Bytes(copying: now)) } else {
          .float16(Bytes(halves: now))
        }
    }
    return .codebook(
      shape.with(
        codes: Packing.pack(codes, rows: shape.rows, bits: shape.bits), tables: factors[0].values,
        scales: written))
  }
}

/// The values of a table in their order, and the limits between them.
private struct NearestValue: Sendable {
  private let values: [Float]
  private let codes: [UInt8]
  private let ranks: [Int]
  /// Between a value and the next.
  private let limits: [Float]
  /// What is rounded and not cut off: half a step beyond the outermost values.
  let range: ClosedRange<Float>

  init(_ table: [Float]) {
    let order = table.indices.sorted { (table[$0], $0) < (table[$1], $1) }
    values = order.map { table[$0] }
    codes = order.map { UInt8($0) }
    var ranks = [Int](repeating: 0, count: table.count)
    for (rank, code) in order.enumerated() { ranks[code] = rank }
    self.ranks = ranks
    limits = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
    let last = values.count - 1
    let ends = (2 * values[0] - limits[0], 2 * values[last] - limits[last - 1])
    // Values that training has blown up have no range.
    range = ends.0 <= ends.1 ? ends.0...ends.1 : -.infinity ... .infinity
  }

  private func rank(_ x: Float) -> Int {
    var (low, high) = (0, limits.count)
    while low < high {
      let middle = (low + high) / 2
      if x > limits[middle] { low = middle + 1 } else { high = middle }
    }
    return low
  }

  func code(nearestTo x: Float) -> UInt8 { codes[rank(x)] }

  func value(nearestTo x: Float) -> Float { values[rank(x)] }

  /// What rounds to the value of a code, times a scale, but for a little at each end.
  func cell(of code: UInt8, times scale: Float) -> ClosedRange<Float> {
    let rank = ranks[Int(code)]
    let low = rank == 0 ? range.lowerBound : limits[rank - 1]
    let high = rank == limits.count ? range.upperBound : limits[rank]
    let reach: Float = 0.98
    let ends = [low, high].map { scale * (values[rank] + reach * ($0 - values[rank])) }
    return min(ends[0], ends[1])...max(ends[0], ends[1])
  }
}

extension Half {
  /// A value as float16 holds it.
  fileprivate static func rounded(_ value: Float) -> Float { decode(encode(value)) }
}

extension Codebook {
  /// Other codes of other values.
  fileprivate func with(codes: Bytes, tables: [Float], scales: Scales?) -> Codebook {
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
