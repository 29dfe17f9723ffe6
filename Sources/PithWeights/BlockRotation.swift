import CPithKernels
import PithTensors

/// An orthogonal matrix R that mixes each run of `size` inputs; it is fitted to the weights, and so it is stored.
public struct BlockRotation: Sendable, Equatable {
  /// The inputs of a run.
  public let size: Int

  /// `size × size` float16 values of R, row after row.
  public let values: Bytes

  private let decoded: [Float]

  /// A rotation over existing memory.
  public init(size: Int, values: Bytes) {
    precondition(size >= 1 && values.count == size * size * 2, "a rotation of \(size) inputs")
    self.size = size
    self.values = values
    decoded = values.halves
  }

  /// x ← R·x for each run of a row.
  func apply(_ x: UnsafeMutablePointer<Float>, columns: Int) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: size) { mixed in
      for start in stride(from: 0, to: columns, by: size) {
        pith_dot_block(x + start, size, 1, decoded, size, size, size, mixed.baseAddress!, size)
        (x + start).update(from: mixed.baseAddress!, count: size)
      }
    }
  }

  /// x ← Rᵀ·x for each run of a row.
  func invert(_ x: UnsafeMutablePointer<Float>, columns: Int) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: size) { mixed in
      for start in stride(from: 0, to: columns, by: size) {
        mixed.update(repeating: 0)
        for row in 0..<size {
          for column in 0..<size { mixed[column] += decoded[row * size + column] * x[start + row] }
        }
        (x + start).update(from: mixed.baseAddress!, count: size)
      }
    }
  }
}
