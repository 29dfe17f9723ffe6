import PithTensors
import PithWeights

/// The scales of a matrix's groups, each the largest magnitude of its group, rounded to how they are stored.
struct GroupScales {
  /// How scales are stored.
  enum Format { case float32, float16, doubleQuantized }

  /// Columns per group.
  let groupSize: Int

  /// Groups per row.
  let groups: Int

  /// `rows × groups` scales as they decode.
  let values: [Float]

  /// The scales as they are stored.
  let storage: Codebook.Scales

  /// The scales of a weight; one that float16 cannot hold becomes infinite.
  init(absmaxOf weight: Matrix, groupSize: Int, format: Format, on pool: ThreadPool) {
    let size = min(groupSize, weight.columns)
    let groups = weight.groups(of: size)
    let absmax = weight.map(groupsOf: size, on: pool) { _, weights in
      weights.reduce(Float(0)) { max($0, $1.magnitude) }
    }
    self.groupSize = size
    self.groups = groups
    switch format {
    case .float32:
      values = absmax
      storage = .float32(Bytes(copying: absmax))
    case .float16:
      let halves = absmax.map(Half.encode)
      values = halves.map(Half.decode)
      storage = .float16(Bytes(copying: halves))
    case .doubleQuantized:
      let quantized = DoubleQuantization(absmax)
      values = quantized.decoded
      storage = quantized.storage
    }
  }

  /// The packed codes of a weight, each group in units of its scale.
  func encode(
    _ weight: Matrix, bits: Int, on pool: ThreadPool, table: (_ row: Int) -> CodeTable
  ) -> Bytes {
    weight.packedRows(bits: bits, on: pool) { row, weights, codes in
      let table = table(row)
      for group in 0..<groups {
        let columns = weight.columns(ofGroup: group, size: groupSize)
        table.encode(
          UnsafeBufferPointer(rebasing: weights[columns]), scale: values[row * groups + group],
          into: codes + columns.lowerBound)
      }
    }
  }
}

extension Codebook {
  /// The storage of a weight whose groups, scaled by their largest magnitude, share one fixed table.
  init(_ weight: Matrix, table: [Float], _ options: MethodOptions, on pool: ThreadPool) {
    let scales = GroupScales(
      absmaxOf: weight, groupSize: options.groupSize ?? weight.columns,
      format: options.doubleQuantization ? .doubleQuantized : .float32, on: pool)
    let codeTable = CodeTable(nearest: table)
    self.init(
      rows: weight.rows, columns: weight.columns, bits: options.bits,
      codes: scales.encode(weight, bits: options.bits, on: pool) { _ in codeTable },
      tables: Bytes(copying: table), tablePerRow: false, groupSize: scales.groupSize, scales: scales.storage)
  }
}
