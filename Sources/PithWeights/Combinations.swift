import PithTensors

/// A matrix behind a transform of its inputs.
public struct Transformed: Sendable {
  /// What happens to activations first.
  public let transform: InputTransform

  /// What they then meet.
  public let inner: StoredMatrix

  /// A matrix behind a transform.
  public init(_ transform: InputTransform, _ inner: StoredMatrix) {
    switch transform {
    case .permutation(let bytes), .scale(let bytes):
      precondition(bytes.count == inner.columns * 2, "a transform of \(inner.columns) inputs")
    case .rotation(let rotation):
      precondition(rotation.size == inner.columns, "a transform of \(inner.columns) inputs")
    case .blockRotation(let rotation):
      precondition(inner.columns % rotation.size == 0, "a transform of \(inner.columns) inputs")
    }
    self.transform = transform
    self.inner = inner
  }
}

extension Transformed {
  var tensors: [NamedTensor] {
    let own: [NamedTensor] =
      switch transform {
      case .permutation(let order):
        [NamedTensor(role: "order", type: .uint16, shape: [inner.columns], bytes: order)]
      case .scale(let scales):
        [NamedTensor(role: "input_scales", type: .float16, shape: [inner.columns], bytes: scales)]
      case .rotation: []
      case .blockRotation(let rotation):
        [
          NamedTensor(
            role: "rotation", type: .float16, shape: [rotation.size, rotation.size], bytes: rotation.values)
        ]
      }
    return own + inner.tensors.map { $0.prefixed("inner") }
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    inner.decode(row: row, into: target)
    transform.transpose(target, columns: inner.columns)
  }

  func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    inner.multiply(transform.apply(x, on: pool), on: pool)
  }
}

/// Matrices side by side: each has the inputs that follow those of the one before.
public struct ColumnSplit: Sendable {
  /// The parts, from the first inputs to the last.
  public let parts: [StoredMatrix]

  /// Parts of the same number of rows.
  public init(_ parts: [StoredMatrix]) {
    precondition(!parts.isEmpty && parts.allSatisfy { $0.rows == parts[0].rows }, "parts of equal rows")
    self.parts = parts
  }
}

extension ColumnSplit {
  var rows: Int { parts[0].rows }
  var columns: Int { parts.reduce(0) { $0 + $1.columns } }

  var tensors: [NamedTensor] {
    parts.enumerated().flatMap { index, part in part.tensors.map { $0.prefixed("part\(index)") } }
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    var start = target
    for part in parts {
      part.decode(row: row, into: start)
      start += part.columns
    }
  }

  func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    var start = 0
    var sum: Matrix?
    for part in parts {
      let product = part.multiply(x.selecting(columns: start..<(start + part.columns)), on: pool)
      sum = sum.map { $0.adding(product) } ?? product
      start += part.columns
    }
    return sum!
  }
}

/// The sum of matrices of one shape.
public struct MatrixSum: Sendable {
  /// The terms.
  public let terms: [StoredMatrix]

  /// Terms of one shape.
  public init(_ terms: [StoredMatrix]) {
    precondition(
      !terms.isEmpty && terms.allSatisfy { $0.rows == terms[0].rows && $0.columns == terms[0].columns },
      "terms of one shape")
    self.terms = terms
  }
}

extension MatrixSum {
  var rows: Int { terms[0].rows }
  var columns: Int { terms[0].columns }

  var tensors: [NamedTensor] {
    terms.enumerated().flatMap { index, term in term.tensors.map { $0.prefixed("term\(index)") } }
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    terms[0].decode(row: row, into: target)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { other in
      guard let other = other.baseAddress else { return }
      for term in terms.dropFirst() {
        term.decode(row: row, into: other)
        for column in 0..<columns { target[column] += other[column] }
      }
    }
  }

  func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    terms.dropFirst().reduce(terms[0].multiply(x, on: pool)) { $0.adding($1.multiply(x, on: pool)) }
  }
}

extension Matrix {
  /// Some columns, in the order given.
  public func selecting(columns chosen: some Collection<Int>) -> Matrix {
    Matrix(rows: rows, columns: chosen.count) { target in
      for row in 0..<rows {
        for (position, column) in chosen.enumerated() {
          target[row * chosen.count + position] = values[row * columns + column]
        }
      }
    }
  }

  /// The sum with a matrix of the same shape.
  func adding(_ other: Matrix) -> Matrix {
    var sum = self
    sum.values.withUnsafeMutableBufferPointer { target in
      other.values.withUnsafeBufferPointer { for index in target.indices { target[index] += $0[index] } }
    }
    return sum
  }
}
