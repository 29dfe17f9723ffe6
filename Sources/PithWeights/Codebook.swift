import CPithKernels
import PithTensors

/// Codes that index a table of values: w ≈ scale of the group · table[c].
///
/// One table serves the whole matrix (NF4, AF4), or each row has its own (k-means, percentiles).
public struct Codebook: Sendable {
  /// A scale per group of columns of a row.
  public enum Scales: Sendable {
    /// `rows × groups` float32 values.
    case float32(Bytes)

    /// `rows × groups` float16 values.
    case float16(Bytes)

    /// Double quantization (QLoRA, arXiv 2305.14314, section 3): all scales in row-major order, cut in blocks of
    /// 256; scale = mean + blockScale · (code − 127), one byte per code, one float32 per block.
    case doubleQuantized(codes: Bytes, blockScales: Bytes, mean: Float)
  }

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs.
  public let columns: Int
  /// Bits per code, 1–8.
  public let bits: Int
  /// `rows` packed rows of `columns` codes (see `Packing`).
  public let codes: Bytes
  /// Float16 or float32 values of the tables: one table of 2^bits, or one per row.
  public let tables: Bytes
  /// Whether each row has its own table.
  public let tablePerRow: Bool
  /// Columns per group of the scales.
  public let groupSize: Int
  /// The scales; nil where the tables hold the weights themselves.
  public let scales: Scales?

  /// Groups per row.
  public var groups: Int { (columns + groupSize - 1) / groupSize }

  /// The values of one table are float16 when there is one per row, and float32 when there is one in all.
  public static func tableType(perRow: Bool) -> NamedTensor.ElementType { perRow ? .float16 : .float32 }

  /// A matrix over existing memory.
  public init(
    rows: Int, columns: Int, bits: Int, codes: Bytes, tables: Bytes, tablePerRow: Bool, groupSize: Int,
    scales: Scales?
  ) {
    precondition((1...8).contains(bits) && groupSize >= 1)
    self.rows = rows
    self.columns = columns
    self.bits = bits
    self.codes = codes
    self.tables = tables
    self.tablePerRow = tablePerRow
    self.groupSize = groupSize
    self.scales = scales
    precondition(codes.count == rows * Packing.bytesPerRow(columns, bits: bits), "size of codes")
    precondition(
      tables.count == ((tablePerRow ? rows : 1) << bits) * Codebook.tableType(perRow: tablePerRow).size)
    switch scales {
    case nil: break
    case .float32(let values): precondition(values.count == rows * groups * 4)
    case .float16(let values): precondition(values.count == rows * groups * 2)
    case .doubleQuantized(let codes, let blockScales, _):
      precondition(codes.count == rows * groups)
      precondition(blockScales.count == (rows * groups + 255) / 256 * 4)
    }
  }
}

extension Codebook {
  var tensors: [NamedTensor] {
    let type = Codebook.tableType(perRow: tablePerRow)
    var tensors = [
      NamedTensor(
        role: "codes", type: .uint8, shape: [rows, Packing.bytesPerRow(columns, bits: bits)], bytes: codes),
      NamedTensor(
        role: "table", type: type, shape: tablePerRow ? [rows, 1 << bits] : [1 << bits], bytes: tables),
    ]
    switch scales {
    case nil: break
    case .float32(let values):
      tensors.append(NamedTensor(role: "scales", type: .float32, shape: [rows, groups], bytes: values))
    case .float16(let values):
      tensors.append(NamedTensor(role: "scales", type: .float16, shape: [rows, groups], bytes: values))
    case .doubleQuantized(let codes, let blockScales, let mean):
      tensors.append(NamedTensor(role: "scales", type: .uint8, shape: [rows, groups], bytes: codes))
      tensors.append(
        NamedTensor(role: "block_scales", type: .float32, shape: [blockScales.count / 4], bytes: blockScales))
      tensors.append(
        NamedTensor(role: "scale_mean", type: .float32, shape: [1], bytes: Bytes(copying: [mean])))
    }
    return tensors
  }

  /// The scale of a group of a row.
  func scale(row: Int, group: Int) -> Float {
    let index = row * groups + group
    switch scales {
    case nil: return 1
    case .float32(let values):
      return values.unsafePointer.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
    case .float16(let values):
      return Half.decode(values.unsafePointer.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
    case .doubleQuantized(let codes, let blockScales, let mean):
      let block = blockScales.unsafePointer.loadUnaligned(fromByteOffset: index / 256 * 4, as: Float.self)
      return mean + block * (Float(codes.unsafePointer[index]) - 127)
    }
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withKernelRow(row) { pith_codebook_decode($0, $1, target) }
  }

  /// The product with one token.
  func multiply(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool) {
    pool.forEach(count: rows, grain: rowsPerTurn(columns: columns)) { range in
      for row in range { withKernelRow(row) { y[row] = pith_codebook_product($0, $1, x) } }
    }
  }

  /// Calls `body` with a row, its table and its scales in float32.
  private func withKernelRow(
    _ row: Int, _ body: (UnsafePointer<pith_codebook_row>, UnsafePointer<Float>?) -> Void
  ) {
    let stride = Packing.bytesPerRow(columns, bits: bits)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: (1 << bits) + groups) { buffer in
      let (table, rowScales) = (buffer.baseAddress!, buffer.baseAddress! + (1 << bits))
      tables.withUnsafeBytes { bytes in
        if tablePerRow {
          let values = bytes.baseAddress!.assumingMemoryBound(to: UInt16.self)
          pith_half_decode(values + (row << bits), 1 << bits, table)
        } else {
          UnsafeMutableRawPointer(table).copyMemory(from: bytes.baseAddress!, byteCount: 4 << bits)
        }
      }
      if scales != nil { for group in 0..<groups { rowScales[group] = scale(row: row, group: group) } }
      codes.withUnsafeBytes { codes in
        var kernelRow = pith_codebook_row(
          codes: codes.baseAddress!.assumingMemoryBound(to: UInt8.self) + row * stride, table: table,
          columns: columns, group_size: groupSize, bits: Int32(bits))
        body(&kernelRow, scales == nil ? nil : UnsafePointer(rowScales))
      }
    }
  }
}
