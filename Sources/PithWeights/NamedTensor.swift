import PithTensors

/// One of the plain tensors that a stored matrix is made of, as it lies in a file.
public struct NamedTensor: Sendable, Equatable {
  /// The type of a tensor's elements.
  public enum ElementType: String, Sendable {
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint8 = "U8"
    case uint16 = "U16"
    case uint32 = "U32"

    /// The size of an element in bytes.
    public var size: Int {
      switch self {
      case .float32, .uint32: 4
      case .float16, .bfloat16, .uint16: 2
      case .uint8: 1
      }
    }
  }

  /// What the tensor is within its matrix, in the word used as the suffix of its name in a file: `weight`
  /// for plain values, else `codes`, `scales`, `zeros`, `table` …
  public var role: String

  /// The type of the elements.
  public var type: ElementType

  /// The extent of each dimension, slowest first.
  public var shape: [Int]

  /// The elements, little-endian, row-major.
  public var bytes: Bytes

  /// A tensor of a role, type and shape.
  public init(role: String, type: ElementType, shape: [Int], bytes: Bytes) {
    precondition(bytes.count == shape.reduce(type.size, *), "\(bytes.count) bytes for \(shape) of \(type)")
    self.role = role
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  /// The tensor of a part of a matrix: its role behind the part's name.
  func prefixed(_ part: String) -> NamedTensor {
    NamedTensor(role: "\(part).\(role)", type: type, shape: shape, bytes: bytes)
  }
}
