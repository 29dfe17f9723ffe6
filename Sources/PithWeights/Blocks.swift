import CPithKernels
import PithTensors

/// The block formats of GGUF files: each block of 32 or 256 columns carries its own scales.
public struct Blocks: Sendable {
  /// A block format, by GGUF's number for it.
  public enum Format: UInt32, Sendable, CaseIterable {
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_K = 10
    case q3_K = 11
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case iq4_NL = 20

    /// Weights per block.
    public var weights: Int {
      switch self {
      case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_NL: 32
      case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
      }
    }

    /// Bytes per block.
    public var bytes: Int {
      switch self {
      case .q4_0, .iq4_NL: 18
      case .q4_1: 20
      case .q5_0: 22
      case .q5_1: 24
      case .q8_0: 34
      case .q2_K: 84
      case .q3_K: 110
      case .q4_K: 144
      case .q5_K: 176
      case .q6_K: 210
      }
    }

    /// The format's name in GGUF's tools.
    public var name: String {
      switch self {
      case .q4_0: "Q4_0"
      case .q4_1: "Q4_1"
      case .q5_0: "Q5_0"
      case .q5_1: "Q5_1"
      case .q8_0: "Q8_0"
      case .q2_K: "Q2_K"
      case .q3_K: "Q3_K"
      case .q4_K: "Q4_K"
      case .q5_K: "Q5_K"
      case .q6_K: "Q6_K"
      case .iq4_NL: "IQ4_NL"
      }
    }
  }

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs, a multiple of the format's block.
  public let columns: Int
  /// The block format.
  public let format: Format
  /// `rows × columns / format.weights` blocks.
  public let data: Bytes

  /// A matrix over existing memory.
  public init(rows: Int, columns: Int, format: Format, data: Bytes) {
    precondition(columns % format.weights == 0, "\(columns) columns in blocks of \(format.weights)")
    precondition(data.count == rows * (columns / format.weights) * format.bytes, "size of blocks")
    self.rows = rows
    self.columns = columns
    self.format = format
    self.data = data
  }
}

extension Blocks {
  var tensors: [NamedTensor] {
    [
      NamedTensor(
        role: format.name, type: .uint8, shape: [rows, columns / format.weights * format.bytes], bytes: data)
    ]
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withBlocks(from: row) { blocks, perRow in
      pith_blocks_decode(format.rawValue, blocks, perRow, target)
    }
  }

  /// The product with one token, straight from the blocks.
  func multiply(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool) {
    pool.forEach(count: rows, grain: rowsPerTurn(columns: columns)) { range in
      withBlocks(from: range.lowerBound) { blocks, perRow in
        pith_blocks_gemv(format.rawValue, blocks, perRow, range.count, x, y + range.lowerBound)
      }
    }
  }

  private func withBlocks(from row: Int, _ body: (UnsafePointer<UInt8>, Int) -> Void) {
    let perRow = columns / format.weights
    data.withUnsafeBytes { bytes in
      guard let first = bytes.baseAddress else { return }
      body(first.assumingMemoryBound(to: UInt8.self) + row * perRow * format.bytes, perRow)
    }
  }
}

extension Blocks {
  /// Whether the float16 scales of all blocks are finite. Reads every block.
  public var hasFiniteScales: Bool {
    let offsets = format.scaleOffsets
    return data.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: format.bytes).allSatisfy { block in
        offsets.allSatisfy {
          bytes.loadUnaligned(fromByteOffset: block + $0, as: UInt16.self) & 0x7C00 != 0x7C00
        }
      }
    }
  }
}

extension Blocks.Format {
  /// Where a block's float16 numbers lie.
  fileprivate var scaleOffsets: [Int] {
    switch self {
    case .q4_0, .q5_0, .q8_0, .iq4_NL: [0]
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    }
  }
}
