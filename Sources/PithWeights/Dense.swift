import CPithKernels
import PithTensors

/// Floating point values.
public struct Dense: Sendable {
  /// The format of a value.
  public enum Format: String, Sendable, CaseIterable { case float32, float16, bfloat16 }

  /// How the values of a matrix follow each other.
  public enum Order: Sendable {
    /// Row after row.
    case rows

    /// Column after column: one token is multiplied without reading the columns whose input is 0.
    case columns
  }

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs.
  public let columns: Int
  /// The format of the values.
  public let format: Format
  /// How the values follow each other; 16-bit formats alone lie by columns.
  public let order: Order
  /// `rows × columns` values, little-endian.
  public let values: Bytes

  /// A matrix over existing memory.
  public init(rows: Int, columns: Int, format: Format, order: Order = .rows, values: Bytes) {
    precondition(order == .rows || format != .float32, "float32 values lie by rows")
    precondition(values.count == rows * columns * (format == .float32 ? 4 : 2), "size of dense values")
    self.rows = rows
    self.columns = columns
    self.format = format
    self.order = order
    self.values = values
  }

  /// The float32 storage of a matrix.
  public init(_ matrix: Matrix) {
    self.init(
      rows: matrix.rows, columns: matrix.columns, format: .float32, values: Bytes(copying: matrix.values))
  }
}

extension Dense {
  var tensors: [NamedTensor] {
    let type: NamedTensor.ElementType =
      switch format {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
    let bytes = ordered(by: .rows).values
    return [NamedTensor(role: "weight", type: type, shape: [rows, columns], bytes: bytes)]
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    if order == .columns { return decodeAcross(row: row, into: target) }
    values.withUnsafeBytes { bytes in
      switch format {
      case .float32:
        UnsafeMutableRawPointer(target).copyMemory(
          from: bytes.baseAddress! + row * columns * 4, byteCount: columns * 4)
      case .float16:
        pith_half_decode(
          bytes.baseAddress!.assumingMemoryBound(to: UInt16.self) + row * columns, columns, target)
      case .bfloat16:
        pith_bfloat_decode(
          bytes.baseAddress!.assumingMemoryBound(to: UInt16.self) + row * columns, columns, target)
      }
    }
  }

  /// The product of rows as they lie: float32 with any number of tokens, the other formats with one.
  func multiply(
    _ x: UnsafePointer<Float>, _ tokens: Int, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool
  ) {
    precondition(format == .float32 || tokens == 1)
    if order == .columns { return multiplyColumns(x, y, on: pool) }
    values.withUnsafeBytes { bytes in
      nonisolated(unsafe) let start = bytes.baseAddress!
      pool.forEach(count: rows, grain: tokens == 1 ? rowsPerTurn(columns: columns) : 32) { range in
        let (first, y) = (range.lowerBound * columns, y + range.lowerBound)
        let halves = start.assumingMemoryBound(to: UInt16.self) + first
        switch format {
        case .float32:
          let weights = start.assumingMemoryBound(to: Float.self) + first
          pith_dot_block(x, columns, tokens, weights, columns, range.count, columns, y, rows)
        case .float16: pith_half_product(halves, columns, x, range.count, y)
        case .bfloat16: pith_bfloat_product(halves, columns, x, range.count, y)
        }
      }
    }
  }
}
