import CPithKernels
import PithTensors

/// Some rows of a matrix, side by side: all lanes of a column lie together, so that what a sweep does to a column it
/// does to all rows at once.
struct Slab {
  /// Rows that are swept together.
  static let lanes = 16

  private(set) var columns: [SIMD16<Float>]

  /// Zeros.
  init(columns: Int) { self.columns = [SIMD16<Float>](repeating: .zero, count: columns) }

  /// Rows of a weight, the columns in an order; lanes without a row are 0.
  init(_ weight: Matrix, rows: Range<Int>, order: [Int]) {
    self.init(columns: order.count)
    for (lane, row) in rows.enumerated() {
      for (position, column) in order.enumerated() {
        columns[position][lane] = weight.values[row * weight.columns + column]
      }
    }
  }

  subscript(position: Int) -> SIMD16<Float> {
    get { columns[position] }
    set { columns[position] = newValue }
  }

  /// Calls `body` with one row's values in a range.
  func withLane(_ lane: Int, _ range: Range<Int>, _ body: (UnsafeBufferPointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { buffer in
      for (index, position) in range.enumerated() { buffer[index] = columns[position][lane] }
      body(UnsafeBufferPointer(buffer))
    }
  }

  /// w_j ← w_j − e·U_ij for the columns j after i, up to a bound.
  mutating func subtract(_ e: SIMD16<Float>, times factor: InverseFactor, row i: Int, upTo end: Int) {
    let count = columns.count
    withFloats { w in
      factor.upper.values.withUnsafeBufferPointer { upper in
        withUnsafeBytes(of: e) { e in
          pith_subtract_columns(
            w + Slab.lanes * (i + 1), e.assumingMemoryBound(to: Float.self).baseAddress!,
            upper.baseAddress! + i * count + i + 1, 1, end - i - 1, 1)
        }
      }
    }
  }

  /// w_j ← w_j − Σ e_i·U_ij over the columns i of a block, for all j after it.
  mutating func subtract(_ errors: Slab, _ block: Range<Int>, times factor: InverseFactor) {
    let (count, end) = (columns.count, block.upperBound)
    guard end < count else { return }
    withFloats { w in
      errors.columns.withUnsafeBytes { e in
        factor.lower.values.withUnsafeBufferPointer { lower in
          pith_subtract_columns(
            w + Slab.lanes * end,
            e.assumingMemoryBound(to: Float.self).baseAddress! + Slab.lanes * block.lowerBound,
            lower.baseAddress! + end * count + block.lowerBound, count, count - end, block.count)
        }
      }
    }
  }

  /// Calls `body` with the columns, the lanes of each one after the other.
  private mutating func withFloats(_ body: (UnsafeMutablePointer<Float>) -> Void) {
    columns.withUnsafeMutableBytes { body($0.assumingMemoryBound(to: Float.self).baseAddress!) }
  }
}

extension Matrix {
  /// Some positions of rows that lie in slabs.
  init(_ slabs: [Slab], rows: Int, columns: Range<Int>) {
    self.init(rows: rows, columns: columns.count) { target in
      for row in 0..<rows {
        let slab = slabs[row / Slab.lanes]
        for (index, position) in columns.enumerated() {
          target[row * columns.count + index] = slab[position][row % Slab.lanes]
        }
      }
    }
  }
}
