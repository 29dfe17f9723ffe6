import PithLinearAlgebra
import PithTensors

/// What the errors E of a weight cost: tr(E·H·Eᵀ)/2.
enum LossMetric: Sendable {
  /// H = 1: the squared error of the weights.
  case plain(columns: Int)

  /// H is diagonal: the squared error, columns counted by how large their inputs are.
  case diagonal([Float])

  /// The layer loss itself: columns lean on one another.
  case layer(Matrix)

  /// The share of H's mean diagonal that is added to it.
  static let damping: Float = 0.01

  /// The metric of a loss, with some damping added to H; without H it is the plain one.
  init(_ loss: QuantizationLoss, _ hessian: Matrix?, columns: Int) {
    guard let hessian, loss != .plain else {
      self = .plain(columns: columns)
      return
    }
    let damped = hessian.damped(Self.damping)
    self = loss == .layer ? .layer(damped) : .diagonal((0..<columns).map { damped[$0, $0] })
  }

  /// The same metric with ten times the damping, or more, until H⁻¹ has a Cholesky factor.
  ///
  /// - Returns: the factor, nil for other metrics; and the share of the mean diagonal that was added, if it was raised.
  mutating func factor() -> (factor: CholeskyFactor?, raised: Float?) {
    guard case .layer(var hessian) = self else { return (nil, nil) }
    var share = Self.damping
    while share < 1e6 {
      if let factor = SymmetricMatrix(hessian).inverseCholesky() {
        self = .layer(hessian)
        return (factor, share > Self.damping ? share : nil)
      }
      share *= 10
      hessian = hessian.damped(share)
    }
    return (nil, share)
  }

  /// The number of columns of E.
  var columns: Int {
    switch self {
    case .plain(let columns): columns
    case .diagonal(let diagonal): diagonal.count
    case .layer(let hessian): hessian.columns
    }
  }

  /// The diagonal of H.
  var diagonal: [Float] {
    switch self {
    case .plain(let columns): [Float](repeating: 1, count: columns)
    case .diagonal(let diagonal): diagonal
    case .layer(let hessian): (0..<hessian.columns).map { hessian[$0, $0] }
    }
  }

  /// Some columns of E·H.
  func times(_ errors: Matrix, columns range: Range<Int>, on pool: ThreadPool? = nil) -> Matrix {
    if case .layer(let hessian) = self {
      // H is symmetric: its columns are its rows.
      return errors.times(hessian.rows(range), otherTransposed: true, on: pool)
    }
    let diagonal = diagonal
    return Matrix(rows: errors.rows, columns: range.count) { target in
      for row in 0..<errors.rows {
        for (position, column) in range.enumerated() {
          target[row * range.count + position] = errors.values[row * columns + column] * diagonal[column]
        }
      }
    }
  }

  /// E·H.
  func times(_ errors: Matrix, on pool: ThreadPool? = nil) -> Matrix {
    times(errors, columns: 0..<columns, on: pool)
  }

  /// tr(E·H·Eᵀ)/2.
  func loss(_ errors: Matrix) -> Double {
    let product = times(errors)
    var sum = 0.0
    for row in 0..<errors.rows {
      var rowSum: Float = 0
      for index in (row * columns)..<((row + 1) * columns) {
        rowSum += product.values[index] * errors.values[index]
      }
      sum += Double(rowSum)
    }
    return sum / 2
  }
}

extension Matrix {
  /// The matrix with a share of its mean diagonal added to the diagonal; with 1 added where that mean is 0.
  fileprivate func damped(_ share: Float) -> Matrix {
    let mean = (0..<columns).reduce(Float(0)) { $0 + self[$1, $1] } / Float(columns)
    var damped = self
    for column in 0..<columns { damped[column, column] += mean > 0 ? share * mean : 1 }
    return damped
  }

  /// Some consecutive rows.
  func rows(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: columns,
      values: Array(values[(range.lowerBound * columns)..<(range.upperBound * columns)]))
  }

  /// The difference from a matrix of the same shape.
  func subtracting(_ other: Matrix) -> Matrix {
    var difference = self
    difference.values.withUnsafeMutableBufferPointer { target in
      other.values.withUnsafeBufferPointer { for index in target.indices { target[index] -= $0[index] } }
    }
    return difference
  }
}
