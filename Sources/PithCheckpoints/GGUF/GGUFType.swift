import PithWeights

/// The type of a tensor in a GGUF file: numbers, or blocks of weights that share their scales.
///
/// The list is the one of the format's reference implementation (`gguf`, the `GGMLQuantizationType` table).
public struct GGUFType: Sendable, Hashable {
  /// The format's number for the type.
  public let id: UInt32
  /// The name in the format's own tools.
  public let name: String
  /// Weights per block; 1 for plain numbers.
  public let weights: Int
  /// Bytes per block.
  public let bytes: Int

  private init(_ id: UInt32, _ name: String, _ weights: Int, _ bytes: Int) {
    self.id = id
    self.name = name
    self.weights = weights
    self.bytes = bytes
  }

  /// The type of a number; nil if the format gives it no meaning in a file.
  public init?(id: UInt32) {
    guard let type = Self.all.first(where: { $0.id == id }) else { return nil }
    self = type
  }

  /// Float32.
  public static let float32 = GGUFType(0, "F32", 1, 4)
  /// Half precision.
  public static let float16 = GGUFType(1, "F16", 1, 2)
  /// Bfloat16.
  public static let bfloat16 = GGUFType(30, "BF16", 1, 2)

  /// The type of a block format that Pith runs.
  public init(_ format: Blocks.Format) {
    self.init(format.rawValue, format.name, format.weights, format.bytes)
  }

  /// All types that may occur in a file.
  public static let all: [GGUFType] =
    [float32, float16, bfloat16] + Blocks.Format.allCases.map { GGUFType($0) } + [
      GGUFType(16, "IQ2_XXS", 256, 66), GGUFType(17, "IQ2_XS", 256, 74), GGUFType(18, "IQ3_XXS", 256, 98),
      GGUFType(19, "IQ1_S", 256, 50), GGUFType(21, "IQ3_S", 256, 110), GGUFType(22, "IQ2_S", 256, 82),
      GGUFType(23, "IQ4_XS", 256, 136), GGUFType(24, "I8", 1, 1), GGUFType(25, "I16", 1, 2),
      GGUFType(26, "I32", 1, 4), GGUFType(27, "I64", 1, 8), GGUFType(28, "F64", 1, 8),
      GGUFType(29, "IQ1_M", 256, 56), GGUFType(34, "TQ1_0", 256, 54), GGUFType(35, "TQ2_0", 256, 66),
      GGUFType(39, "MXFP4", 32, 17), GGUFType(40, "NVFP4", 64, 36), GGUFType(41, "Q1_0", 128, 18),
    ]

  /// The bytes of a tensor of this type and shape (slowest dimension first); nil if that overflows or its rows
  /// do not divide into blocks.
  public func byteCount(_ shape: [Int]) -> Int? {
    guard (shape.last ?? 1) % weights == 0 else { return nil }
    var product = 1
    for extent in shape {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow || extent < 0 { return nil }
      product = next
    }
    let (size, overflow) = (product / weights).multipliedReportingOverflow(by: bytes)
    return overflow ? nil : size
  }
}
