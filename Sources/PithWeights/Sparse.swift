import CPithKernels
import PithTensors

/// Few weights, all others 0: for each row the columns and values of those that are not.
///
///     let weight = StoredMatrix.sum(MatrixSum([.affine(base), .sparse(Sparse(outliers))]))
///
/// The values of row r are those from `rowPointers[r]` up to `rowPointers[r + 1]`. A value takes 4 bytes and a row 4 more.
/// SpQR (arXiv 2306.03078) keeps its outliers so.
public struct Sparse: Sendable {
  /// The number of outputs.
  public let rows: Int
  /// The number of inputs, at most 2¹⁶.
  public let columns: Int
  /// `rows + 1` rising 32-bit numbers, from 0 to the number of values.
  public let rowPointers: Bytes
  /// The column of each value, rising within a row: 16-bit numbers.
  public let columnIndices: Bytes
  /// Float16 values.
  public let values: Bytes

  /// The most columns that 16 bits number.
  public static let largestColumns = 1 << 16

  /// A matrix over existing memory, in which `fault` finds none.
  public init(rows: Int, columns: Int, rowPointers: Bytes, columnIndices: Bytes, values: Bytes) {
    self.rows = rows
    self.columns = columns
    // A file does not align its tensors.
    self.rowPointers = rowPointers.aligned(to: 4)
    self.columnIndices = columnIndices.aligned(to: 2)
    self.values = values.aligned(to: 2)
    let fault = Self.fault(
      rows: rows, columns: columns, rowPointers: rowPointers, columnIndices: columnIndices, values: values)
    precondition(fault == nil, fault ?? "")
  }

  /// The values of a matrix that are not 0, rounded to float16.
  ///
  /// - Precondition: no magnitude is above float16's largest, 65504.
  public init(_ matrix: Matrix) {
    var (pointers, columns, values): ([UInt32], [UInt16], [UInt16]) = ([0], [], [])
    for row in 0..<matrix.rows {
      for (column, value) in matrix[row: row].enumerated() where value != 0 {
        columns.append(UInt16(column).littleEndian)
        values.append(Half.encode(value).littleEndian)
      }
      pointers.append(UInt32(values.count).littleEndian)
    }
    self.init(
      rows: matrix.rows, columns: matrix.columns, rowPointers: Bytes(copying: pointers),
      columnIndices: Bytes(copying: columns), values: Bytes(copying: values))
  }

  /// What is wrong with the tensors of a matrix, or nil: pointers that do not rise from 0 to the number of values, columns
  /// that do not rise or are none, values that are not finite.
  public static func fault(
    rows: Int, columns: Int, rowPointers: Bytes, columnIndices: Bytes, values: Bytes
  ) -> String? {
    let count = values.count / 2
    guard columns <= largestColumns else { return "a sparse matrix has at most \(largestColumns) columns" }
    guard rowPointers.count == (rows + 1) * 4, values.count == count * 2, columnIndices.count == count * 2
    else { return "the tensors of a sparse matrix differ in size" }
    return rowPointers.withUnsafeBytes { pointers in
      func pointer(_ row: Int) -> Int {
        Int(UInt32(littleEndian: pointers.loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self)))
      }
      guard pointer(0) == 0, pointer(rows) == count, (0..<rows).allSatisfy({ pointer($0) <= pointer($0 + 1) })
      else { return "the row pointers of a sparse matrix do not rise from 0 to its \(count) values" }
      let indices = columnIndices.indices16
      for row in 0..<rows {
        var last = -1
        for index in pointer(row)..<pointer(row + 1) {
          guard indices[index] > last, indices[index] < columns else {
            return "the columns of row \(row) of a sparse matrix do not rise below \(columns)"
          }
          last = indices[index]
        }
      }
      return values.halves.allSatisfy(\.isFinite) ? nil : "a sparse matrix holds a number that is not finite"
    }
  }
}

extension Sparse {
  /// Tokens that are multiplied together.
  private static let block = 16

  var tensors: [NamedTensor] {
    [
      NamedTensor(role: "row_pointers", type: .uint32, shape: [rows + 1], bytes: rowPointers),
      NamedTensor(role: "column_indices", type: .uint16, shape: [values.count / 2], bytes: columnIndices),
      NamedTensor(role: "values", type: .float16, shape: [values.count / 2], bytes: values),
    ]
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withKernelMatrix { pith_sparse_decode($0, row, target) }
  }

  /// The product with a batch of activations: tokens × columns to tokens × rows.
  func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    Matrix(rows: x.rows, columns: rows) { target in
      x.values.withUnsafeBufferPointer { source in
        guard let x = source.baseAddress, let y = target.baseAddress, columns > 0 else {
          target.update(repeating: 0)
          return
        }
        let tokens = source.count / columns
        withKernelMatrix { matrix in
          if tokens < Self.block / 4 {
            for token in 0..<tokens {
              let (x, y) = (x + token * columns, y + token * rows)
              pool.forEach(count: rows, grain: rowsPerTurn(columns: columns)) { range in
                pith_sparse_product(matrix, x, range.lowerBound, range.upperBound, y)
              }
            }
          } else {
            multiplyBlocks(matrix, x, tokens, y, on: pool)
          }
        }
      }
    }
  }

  /// The product block by block: the activations of a column lie side by side, so that a value meets them all at once.
  private func multiplyBlocks(
    _ matrix: UnsafePointer<pith_sparse>, _ x: UnsafePointer<Float>, _ tokens: Int,
    _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool
  ) {
    nonisolated(unsafe) let matrix = matrix
    pool.forEach(count: (tokens + Self.block - 1) / Self.block, grain: 1) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.block * columns) { turned in
        for block in range {
          let first = block * Self.block
          let count = min(Self.block, tokens - first)
          turned.update(repeating: 0)
          for token in 0..<count {
            let source = x + (first + token) * columns
            for column in 0..<columns { turned[column * Self.block + token] = source[column] }
          }
          pith_sparse_product16(matrix, turned.baseAddress!, count, 0, rows, y + first * rows, rows)
        }
      }
    }
  }

  private func withKernelMatrix(_ body: (UnsafePointer<pith_sparse>) -> Void) {
    var matrix = pith_sparse(
      row_pointers: rowPointers.unsafePointer.baseAddress?.assumingMemoryBound(to: UInt32.self),
      column_indices: columnIndices.unsafePointer.baseAddress?.assumingMemoryBound(to: UInt16.self),
      values: values.unsafePointer.baseAddress?.assumingMemoryBound(to: UInt16.self), columns: columns)
    withExtendedLifetime(self) { body(&matrix) }
  }
}

extension Bytes {
  /// The same bytes at an address that is a multiple of `size`: copied if need be.
  fileprivate func aligned(to size: Int) -> Bytes {
    withUnsafeBytes { source in
      UInt(bitPattern: source.baseAddress) % UInt(size) == 0
        ? self : Bytes(count: count) { $0.copyMemory(from: source) }
    }
  }
}
