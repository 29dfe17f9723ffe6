import PithTensors

/// Integers with a scale and a zero point per group: w ≈ s · (c − z).
///
/// A group is `groupSize` consecutive columns of one row; the last group of a row is shorter where the columns
/// do not divide. Source: METHODS, linear quantization.
public struct Affine: Sendable {
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
  /// `rows × groups` float16 scales.
  public let scales: Bytes
  /// `rows` packed rows of `groups` zero points of `bits` bits; nil for symmetric storage, in which z = 2^(bits−1).
  public let zeros: Bytes?

  /// Groups per row.
  public var groups: Int { (columns + groupSize - 1) / groupSize }

  /// A matrix over existing memory.
  public init(
    rows: Int, columns: Int, bits: Int, groupSize: Int, codes: Bytes, scales: Bytes, zeros: Bytes?
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
    precondition(scales.count == rows * groups * 2, "size of scales")
    precondition(zeros.map { $0.count == rows * Packing.bytesPerRow(groups, bits: bits) } ?? true)
  }
}

extension Affine {
  var tensors: [NamedTensor] {
    var tensors = [
      NamedTensor(
        role: "codes", type: .uint8, shape: [rows, Packing.bytesPerRow(columns, bits: bits)], bytes: codes),
      NamedTensor(role: "scales", type: .float16, shape: [rows, groups], bytes: scales),
    ]
    if let zeros {
      tensors.append(
        NamedTensor(
          role: "zeros", type: .uint8, shape: [rows, Packing.bytesPerRow(groups, bits: bits)], bytes: zeros))
    }
    return tensors
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    let stride = Packing.bytesPerRow(columns, bits: bits)
    let rowCodes = Packing.unpack(codes[(row * stride)..<((row + 1) * stride)], rows: 1, columns: columns, bits: bits)
    let zeroStride = Packing.bytesPerRow(groups, bits: bits)
    let rowZeros = zeros.map {
      Packing.unpack($0[(row * zeroStride)..<((row + 1) * zeroStride)], rows: 1, columns: groups, bits: bits)
    }
    let scale = scales.unsafePointer
    for column in 0..<columns {
      let group = column / groupSize
      let s = Half.decode(scale.loadUnaligned(fromByteOffset: (row * groups + group) * 2, as: UInt16.self))
      let z = rowZeros.map { Int($0[group]) } ?? 1 << (bits - 1)
      target[column] = s * Float(Int(rowCodes[column]) - z)
    }
    withExtendedLifetime(self) {}
  }
}
