import PithLinearAlgebra
import PithTensors
import PithWeights

/// The gradients of the cores of a tensor train from that of the matrix.
///
/// With the entries of dW in the order (i₁ j₁) … (i_d j_d), digit by digit of row and column, a core is a matrix of r_{k−1} rows and all
/// (i_k j_k) and r_k as columns, and with L the product of the cores before it and S that of dW with those behind, dG_k = Lᵀ · S.
struct TensorTrainGradient {
  private let shape: TensorTrain.Shape
  /// Each core with a row for each rank before it.
  private let cores: [Matrix]

  init(_ shape: TensorTrain.Shape, cores: [Matrix]) {
    self.shape = shape
    self.cores = cores.enumerated().map { place, core in
      let rank = shape.rank(before: place)
      return Matrix(rows: rank, columns: core.values.count / rank, values: core.values)
    }
  }

  /// Adds the gradients of the cores to those that are there.
  func add(of gradient: Matrix, to gradients: inout [Matrix], on pool: ThreadPool?) {
    // (i₁ j₁ … i_k j_k) × r_k.
    var before = [Matrix(rows: 1, columns: 1, values: [1])]
    for place in cores.indices.dropLast() {
      let product = before[place].times(cores[place], on: pool)
      before.append(reshaped(product, columns: shape.rank(behind: place)))
    }
    var behind = digitByDigit(gradient, on: pool)
    for place in cores.indices.reversed() {
      behind = reshaped(behind, columns: cores[place].columns)
      let own = before[place].times(behind, transposed: true, on: pool)
      gradients[place].add(reshaped(own, columns: gradients[place].columns))
      if place > 0 { behind = behind.times(cores[place], otherTransposed: true, on: pool) }
    }
  }

  /// The entries of a matrix in the order of the digits of both row and column; 0 for rows that are none.
  private func digitByDigit(_ matrix: Matrix, on pool: ThreadPool?) -> Matrix {
    let sizes = zip(shape.outputs, shape.inputs).map { $0 * $1 }
    /// How far entries whose digits differ by one at a place are apart.
    let strides = sizes.indices.map { sizes[($0 + 1)...].reduce(1, *) }
    let columns = (0..<matrix.columns).map { column in
      var (rest, offset) = (column, 0)
      for place in strides.indices.reversed() {
        offset += rest % shape.inputs[place] * strides[place]
        rest /= shape.inputs[place]
      }
      return offset
    }
    return Matrix(rows: 1, columns: sizes.reduce(1, *)) { target in
      if matrix.rows * matrix.columns < target.count { target.update(repeating: 0) }
      nonisolated(unsafe) let target = target
      func copy(_ rows: Range<Int>) {
        for row in rows {
          var start = 0
          for (place, digit) in shape.digits(of: row).enumerated() {
            start += digit * shape.inputs[place] * strides[place]
          }
          for (value, offset) in zip(matrix[row: row], columns) { target[start + offset] = value }
        }
      }
      if let pool { pool.forEach(count: matrix.rows, grain: 64, copy) } else { copy(0..<matrix.rows) }
    }
  }

  private func reshaped(_ matrix: Matrix, columns: Int) -> Matrix {
    Matrix(rows: matrix.values.count / columns, columns: columns, values: matrix.values)
  }
}
