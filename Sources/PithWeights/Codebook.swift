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

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withKernelMatrix { pith_codebook_decode($0, row, target) }
  }

  /// The product with one token.
  func multiply(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool) {
    withKernelMatrix { matrix in
      withKernelToken(x, columns: columns, groupSize: groupSize, bits: bits) { token in
        pool.forEach(count: rows, grain: rowsPerTurn(columns: columns)) { range in
          pith_codebook_product(matrix, token, range.lowerBound, range.upperBound, y)
        }
      }
    }
  }

  private func withKernelMatrix(_ body: (UnsafePointer<pith_codebook>) -> Void) {
    func start(_ bytes: Bytes) -> UnsafePointer<UInt8>? {
      bytes.unsafePointer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
    var matrix = pith_codebook(
      codes: start(codes), tables: start(tables), scales: nil, block_scales: nil, columns: columns,
      group_size: groupSize, groups: groups, row_bytes: Packing.bytesPerRow(columns, bits: bits),
      bits: Int32(bits), table_per_row: tablePerRow, scale_format: PITH_SCALES_NONE, scale_mean: 0)
    switch scales {
    case nil: break
    case .float32(let values):
      matrix.scale_format = PITH_SCALES_FLOAT
      matrix.scales = start(values)
    case .float16(let values):
      matrix.scale_format = PITH_SCALES_HALF
      matrix.scales = start(values)
    case .doubleQuantized(let codes, let blockScales, let mean):
      matrix.scale_format = PITH_SCALES_DOUBLE
      matrix.scales = start(codes)
      matrix.block_scales = start(blockScales)
      matrix.scale_mean = mean
    }
    withExtendedLifetime(self) { body(&matrix) }
  }
}
