import CPithKernels
import PithTensors

/// Integers with a scale and a zero point per group: w ≈ s · (c − z).
///
/// A group is `groupSize` consecutive columns of one row; the last group of a row is shorter where the columns
/// do not divide. Source: arXiv 1712.05877.
public struct Affine: Sendable {
  /// The scales of the groups.
  public enum Scales: Sendable {
    /// `rows × groups` float16 values.
    case float16(Bytes)
    /// Integers in turn, as in SpQR (arXiv 2306.03078): minimum + step · c for code c of a group.
    case quantized(QuantizedScales)
  }

  /// The zero points z of groups.
  public enum Zeros: Sendable {
    /// `rows` packed rows of `groups` codes of `bits` bits.
    case codes(Bytes)
    /// `rows × groups` float16 values, which need not be whole.
    case float16(Bytes)
  }

  /// Scales that are codes of a second grid: consecutive groups of a row share its step and minimum.
  public struct QuantizedScales: Sendable {
    /// Bits per code, 1–8.
    public let bits: Int
    /// Groups that share a step and a minimum.
    public let groupSize: Int
    /// `rows` packed rows of a code per group.
    public let codes: Bytes
    /// Float16 values, ⌈groups / groupSize⌉ per row.
    public let steps: Bytes
    /// Float16 values, as many.
    public let minima: Bytes

    /// Scales over existing memory.
    public init(bits: Int, groupSize: Int, codes: Bytes, steps: Bytes, minima: Bytes) {
      precondition((1...8).contains(bits) && groupSize >= 1)
      self.bits = bits
      self.groupSize = groupSize
      self.codes = codes
      self.steps = steps
      self.minima = minima
    }

    /// Steps of a row of `groups` groups.
    public func steps(of groups: Int) -> Int { (groups + groupSize - 1) / groupSize }
  }

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs.
  public let columns: Int
  /// Bits per code, 2–8.
  public let bits: Int
  /// Columns per group, 1…columns.
  public let groupSize: Int
  /// `rows` packed rows of `columns` codes (see `Packing`).
  public let codes: Bytes
  /// A scale per group of each row.
  public let scales: Scales
  /// A zero point per group of each row; nil for symmetric storage, in which z = 2^(bits−1).
  public let zeros: Zeros?

  /// Groups per row.
  public var groups: Int { (columns + groupSize - 1) / groupSize }

  /// A matrix over existing memory.
  public init(
    rows: Int, columns: Int, bits: Int, groupSize: Int, codes: Bytes, scales: Scales, zeros: Zeros?
  ) {
    precondition((2...8).contains(bits) && groupSize >= 1)
    self.rows = rows
    self.columns = columns
    self.bits = bits
    self.groupSize = groupSize
    self.codes = codes
    self.scales = scales
    self.zeros = zeros
    precondition(codes.count == rows * Packing.bytesPerRow(columns, bits: bits), "size of codes")
    switch scales {
    case .float16(let values): precondition(values.count == rows * groups * 2, "size of scales")
    case .quantized(let scales):
      precondition(
        scales.codes.count == rows * Packing.bytesPerRow(groups, bits: scales.bits), "size of scale codes")
      let count = rows * scales.steps(of: groups) * 2
      precondition(scales.steps.count == count && scales.minima.count == count, "size of steps and minima")
    }
    switch zeros {
    case nil: break
    case .codes(let codes):
      precondition(codes.count == rows * Packing.bytesPerRow(groups, bits: bits), "size of zero points")
    case .float16(let values): precondition(values.count == rows * groups * 2, "size of zero points")
    }
  }
}

extension Affine {
  var tensors: [NamedTensor] {
    func packed(_ role: String, _ count: Int, bits: Int, _ bytes: Bytes) -> NamedTensor {
      NamedTensor(
        role: role, type: .uint8, shape: [rows, Packing.bytesPerRow(count, bits: bits)], bytes: bytes)
    }
    var tensors = [packed("codes", columns, bits: bits, codes)]
    switch scales {
    case .float16(let values):
      tensors.append(NamedTensor(role: "scales", type: .float16, shape: [rows, groups], bytes: values))
    case .quantized(let scales):
      let shape = [rows, scales.steps(of: groups)]
      tensors += [
        packed("scales", groups, bits: scales.bits, scales.codes),
        NamedTensor(role: "scale_steps", type: .float16, shape: shape, bytes: scales.steps),
        NamedTensor(role: "scale_minima", type: .float16, shape: shape, bytes: scales.minima),
      ]
    }
    switch zeros {
    case nil: break
    case .codes(let codes): tensors.append(packed("zeros", groups, bits: bits, codes))
    case .float16(let values):
      tensors.append(NamedTensor(role: "zeros", type: .float16, shape: [rows, groups], bytes: values))
    }
    return tensors
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withKernelMatrix { pith_affine_decode($0, row, target) }
  }

  /// The product with one token.
  func multiply(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool) {
    withKernelMatrix { matrix in
      withKernelToken(x, columns: columns, groupSize: groupSize, bits: bits) { token in
        pool.forEach(count: rows, grain: rowsPerTurn(columns: columns)) { range in
          pith_affine_product(matrix, token, range.lowerBound, range.upperBound, y)
        }
      }
    }
  }

  private func withKernelMatrix(_ body: (UnsafePointer<pith_affine>) -> Void) {
    func start(_ bytes: Bytes) -> UnsafePointer<UInt8>? {
      bytes.unsafePointer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
    var matrix = pith_affine()
    matrix.codes = start(codes)
    switch zeros {
    case nil: break
    case .codes(let codes):
      (matrix.zeros, matrix.zero_row_bytes) = (start(codes), Packing.bytesPerRow(groups, bits: bits))
    case .float16(let values):
      (matrix.zeros, matrix.zero_row_bytes, matrix.zeros_are_halves) = (start(values), groups * 2, true)
    }
    (matrix.columns, matrix.group_size, matrix.groups) = (columns, groupSize, groups)
    matrix.row_bytes = Packing.bytesPerRow(columns, bits: bits)
    matrix.bits = Int32(bits)
    switch scales {
    case .float16(let values): matrix.scales = start(values)
    case .quantized(let scales):
      matrix.scales = start(scales.codes)
      matrix.scale_bits = Int32(scales.bits)
      matrix.scale_group_size = scales.groupSize
      matrix.scale_groups = scales.steps(of: groups)
      matrix.scale_row_bytes = Packing.bytesPerRow(groups, bits: scales.bits)
      (matrix.scale_steps, matrix.scale_minima) = (start(scales.steps), start(scales.minima))
    }
    withExtendedLifetime(self) { body(&matrix) }
  }
}
