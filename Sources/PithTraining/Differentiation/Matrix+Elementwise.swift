import CPithKernels
import PithModels
import PithTensors

extension Matrix {
  /// Adds another matrix.
  mutating func add(_ other: Matrix) {
    values.withUnsafeMutableBufferPointer { target in
      other.values.withUnsafeBufferPointer { source in
        if let to = target.baseAddress, let from = source.baseAddress { pith_add(to, from, target.count) }
      }
    }
  }

  /// Adds a vector to each row.
  mutating func addToRows(_ vector: [Float]) {
    let (rows, columns) = (rows, columns)
    values.withUnsafeMutableBufferPointer { target in
      guard let to = target.baseAddress else { return }
      for row in 0..<rows { pith_add(to + row * columns, vector, columns) }
    }
  }

  /// Adds each row of another matrix to this one, which is one row.
  mutating func addRows(of other: Matrix) {
    let columns = columns
    values.withUnsafeMutableBufferPointer { target in
      other.values.withUnsafeBufferPointer { source in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        for row in 0..<other.rows { pith_add(to, from + row * columns, columns) }
      }
    }
  }

  /// The products of the elements.
  func times(_ other: Matrix, elementwiseOn pool: ThreadPool) -> Matrix {
    mapping(with: other, on: pool) { a, b, target, count in
      for i in 0..<count { target[i] = a[i] * b[i] }
    }
  }

  /// A matrix of the same shape, which `body` writes part by part from the same parts of this and another one.
  func mapping(
    with other: Matrix, on pool: ThreadPool,
    _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) -> Matrix {
    precondition(rows == other.rows && columns == other.columns, "matrices of one shape")
    return Matrix(rows: rows, columns: columns) { target in
      values.withUnsafeBufferPointer { a in
        other.values.withUnsafeBufferPointer { b in
          guard let start = target.baseAddress else { return }
          nonisolated(unsafe) let (a, b, to) = (a.baseAddress!, b.baseAddress!, start)
          pool.forEach(count: target.count, grain: 65_536) { range in
            body(a + range.lowerBound, b + range.lowerBound, to + range.lowerBound, range.count)
          }
        }
      }
    }
  }
}

extension Activation {
  /// dy · activation′(x), element by element.
  func gradient(at x: Matrix, _ dy: Matrix, on pool: ThreadPool) -> Matrix {
    x.mapping(with: dy, on: pool) { x, dy, dx, count in
      switch self {
      case .silu: pith_silu_gradient(x, dy, dx, count)
      case .gelu: pith_gelu_gradient(x, dy, dx, count)
      case .geluTanh: pith_gelu_tanh_gradient(x, dy, dx, count)
      case .relu: for i in 0..<count { dx[i] = x[i] > 0 ? dy[i] : 0 }
      case .tanh:
        for i in 0..<count {
          let y = Elementary.tanh(x[i])
          dx[i] = dy[i] * (1 - y * y)
        }
      }
    }
  }
}
