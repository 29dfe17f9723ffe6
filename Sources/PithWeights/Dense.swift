import PithTensors

/// Floating point values, row after row.
public struct Dense: Sendable {
  /// The format of a value.
  public enum Format: Sendable { case float32, float16, bfloat16 }

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs.
  public let columns: Int
  /// The format of the values.
  public let format: Format
  /// `rows × columns` values, little-endian.
  public let values: Bytes

  /// A matrix over existing memory.
  public init(rows: Int, columns: Int, format: Format, values: Bytes) {
    precondition(values.count == rows * columns * (format == .float32 ? 4 : 2), "size of dense values")
    self.rows = rows
    self.columns = columns
    self.format = format
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
    return [NamedTensor(role: "weight", type: type, shape: [rows, columns], bytes: values)]
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    let source = values.unsafePointer
    for column in 0..<columns {
      let index = row * columns + column
      switch format {
      case .float32: target[column] = source.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
      case .float16:
        target[column] = Half.decode(source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
      case .bfloat16:
        target[column] = BrainFloat.decode(source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
      }
    }
    withExtendedLifetime(self) {}
  }
}
