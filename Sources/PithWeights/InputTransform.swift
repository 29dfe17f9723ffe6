import PithTensors

/// What happens to activations before they meet a matrix. Each transform T is invertible and stored with the matrix
/// behind it, W·T⁻¹, so that the product with x is that of W.
public enum InputTransform: Sendable, Equatable {
  /// Input j of the inner matrix is input `order[j]`: `columns` little-endian 16-bit numbers.
  case permutation(Bytes)

  /// Input j is multiplied by scale j: `columns` float16 values, none of which is 0.
  case scale(Bytes)

  /// Inputs are mixed by an orthogonal matrix.
  case rotation(Rotation)

  /// Each run of inputs is mixed by an orthogonal matrix that was fitted to the weights.
  case blockRotation(BlockRotation)
}

extension InputTransform {
  /// The most inputs that a permutation numbers.
  public static let largestPermutation = 1 << 16

  /// The inputs that the inner matrix sees, one row per token: T·x, on some threads or on the caller's alone.
  public func apply(_ x: Matrix, on pool: ThreadPool? = nil) -> Matrix {
    switch self {
    case .permutation(let order):
      let order = order.indices16
      return Matrix(rows: x.rows, columns: x.columns) { target in
        for row in 0..<x.rows {
          let start = row * x.columns
          for (position, column) in order.enumerated() { target[start + position] = x.values[start + column] }
        }
      }
    case .scale(let scales):
      let scales = scales.halves
      return x.mapRows(on: pool) { row in for column in scales.indices { row[column] *= scales[column] } }
    case .rotation(let rotation): return x.mapRows(on: pool, rotation.apply)
    case .blockRotation(let rotation): return x.mapRows(on: pool) { rotation.apply($0, columns: x.columns) }
    }
  }

  /// The weight that belongs behind the transform, W·T⁻¹, on some threads or on the caller's alone.
  public func behind(_ weight: Matrix, on pool: ThreadPool? = nil) -> Matrix {
    switch self {
    case .permutation, .rotation, .blockRotation: return apply(weight, on: pool)  // orthogonal: T⁻¹ = Tᵀ
    case .scale(let scales):
      let scales = scales.halves
      return weight.mapRows(on: pool) { row in for column in scales.indices { row[column] /= scales[column] }
      }
    }
  }

  /// The inputs of which these are what the inner matrix sees, one row per token: T⁻¹·x.
  package func undo(_ x: Matrix, on pool: ThreadPool? = nil) -> Matrix {
    switch self {
    case .permutation, .rotation, .blockRotation:  // orthogonal: T⁻¹ = Tᵀ
      x.mapRows(on: pool) { transpose($0, columns: x.columns) }
    case .scale: behind(x, on: pool)
    }
  }

  /// A row of the inner matrix becomes that of the whole: Tᵀ·row.
  func transpose(_ row: UnsafeMutablePointer<Float>, columns: Int) {
    switch self {
    case .permutation(let order):
      withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { copy in
        for (position, column) in order.indices16.enumerated() { copy[column] = row[position] }
        row.update(from: copy.baseAddress!, count: columns)
      }
    case .scale(let scales):
      for (column, scale) in scales.halves.enumerated() { row[column] *= scale }
    case .rotation(let rotation): rotation.invert(row)
    case .blockRotation(let rotation): rotation.invert(row, columns: columns)
    }
  }
}

extension Matrix {
  fileprivate func mapRows(
    on pool: ThreadPool? = nil, _ body: (UnsafeMutablePointer<Float>) -> Void
  ) -> Matrix {
    var result = self
    guard columns > 0 else { return result }
    result.values.withUnsafeMutableBufferPointer { values in
      guard let start = values.baseAddress else { return }
      nonisolated(unsafe) let first = start
      func run(_ range: Range<Int>) { for row in range { body(first + row * columns) } }
      if let pool { pool.forEach(count: rows, grain: 16, run) } else { run(0..<rows) }
    }
    return result
  }
}

extension Bytes {
  /// The bytes as 16-bit numbers.
  var indices16: [Int] { array(of: UInt16.self).map { Int(UInt16(littleEndian: $0)) } }

  /// The bytes as float16 values.
  package var halves: [Float] { array(of: UInt16.self).map { Half.decode(UInt16(littleEndian: $0)) } }
}
