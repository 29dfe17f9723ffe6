import PithWeights

/// The type of a tensor's elements in a safetensors file.
public enum SafetensorsType: String, Sendable, CaseIterable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int64 = "I64"
  case int32 = "I32"
  case int16 = "I16"
  case int8 = "I8"
  case uint64 = "U64"
  case uint32 = "U32"
  case uint16 = "U16"
  case uint8 = "U8"
  case bool = "BOOL"
  case complex64 = "C64"
  case float8E4M3 = "F8_E4M3"
  case float8E5M2 = "F8_E5M2"
  case float8E8M0 = "F8_E8M0"
  case float8E4M3FNUZ = "F8_E4M3FNUZ"
  case float8E5M2FNUZ = "F8_E5M2FNUZ"
  case float6E2M3 = "F6_E2M3"
  case float6E3M2 = "F6_E3M2"
  case float4 = "F4"

  /// The size of an element in bits.
  public var bits: Int {
    switch self {
    case .float64, .int64, .uint64, .complex64: 64
    case .float32, .int32, .uint32: 32
    case .float16, .bfloat16, .int16, .uint16: 16
    case .int8, .uint8, .bool, .float8E4M3, .float8E5M2, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ: 8
    case .float6E2M3, .float6E3M2: 6
    case .float4: 4
    }
  }

  /// The type of a stored matrix's tensor.
  public init(_ type: NamedTensor.ElementType) {
    self =
      switch type {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      case .uint8: .uint8
      case .uint16: .uint16
      case .uint32: .uint32
      }
  }

  /// The bytes of a tensor of this type and shape; nil if that overflows or does not fill whole bytes.
  public func byteCount(_ shape: [Int]) -> Int? {
    var product = bits
    for extent in shape {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow || extent < 0 { return nil }
      product = next
    }
    return product % 8 == 0 ? product / 8 : nil
  }
}
