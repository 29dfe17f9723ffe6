import CPithKernels
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
    codes.withUnsafeBytes { codes in
      scales.withUnsafeBytes { scales in
        (zeros ?? Bytes()).withUnsafeBytes { zeroBytes in
          var matrix = pith_affine(
            codes: codes.baseAddress!.assumingMemoryBound(to: UInt8.self),
            scales: scales.baseAddress!.assumingMemoryBound(to: UInt8.self),
            zeros: zeros == nil ? nil : zeroBytes.baseAddress!.assumingMemoryBound(to: UInt8.self),
            columns: columns, group_size: groupSize, groups: groups,
            row_bytes: Packing.bytesPerRow(columns, bits: bits),
            zero_row_bytes: Packing.bytesPerRow(groups, bits: bits), bits: Int32(bits))
          body(&matrix)
        }
      }
    }
  }
}
