import PithLinearAlgebra
import PithTensors
import PithWeights

/// How a weight that is stored in an unusual shape is made of the values that are trained: the factors of a product, the cores of
/// a train, the weights that a mask keeps, or what integers and codes stand for.
///
/// The weight is formed once for each step; its gradient is carried back to what it is made of.
indirect enum Composition {
  /// W = A·B.
  case product
  /// A tensor train.
  case train(TensorTrain.Shape)
  /// The weights at these places, row after row; the others are 0.
  case masked(Masked, places: [Int])
  /// Integers: the weights that are rounded to them, and their steps.
  case grid(LearnedGrid)
  /// Codes of values: the values, and scales.
  case table(LearnedTable)
  /// Codes of vectors: the vectors, and scales.
  case codewords(LearnedCodewords)
  /// What stands behind a transform of the inputs.
  case behind(InputTransform, Composition)

  /// How a stored matrix is made, with its values; nil for one that is trained as a whole.
  static func of(_ matrix: StoredMatrix) -> (composition: Composition, factors: [Matrix])? {
    switch matrix {
    case .product(let product): return (.product, [product.left.decoded(), product.right.decoded()])
    case .tensorTrain(let train):
      return (.train(train.shape), train.cores.map { StoredMatrix.dense($0).decoded() })
    case .masked(let masked):
      let (places, decoded) = (masked.places, matrix.decoded())
      let values = Matrix(rows: 1, columns: places.count, values: places.map { decoded.values[$0] })
      return (.masked(masked, places: places), [values])
    case .affine(let affine):
      return LearnedGrid(affine).map { (.grid($0), $0.factors) }
    case .codebook(let codebook):
      let table = LearnedTable(codebook)
      return (.table(table), table.factors)
    case .vectors(let vectors):
      let codewords = LearnedCodewords(vectors)
      return (.codewords(codewords), codewords.factors)
    case .transformed(let whole):
      return of(whole.inner).map { (.behind(whole.transform, $0.composition), $0.factors) }
    case .dense, .blocks, .integer, .sparse, .split, .sum: return nil
    }
  }

  /// Whether a packed matrix that is trained is stored afterwards as it was, in as many bytes.
  static func keeps(_ matrix: StoredMatrix) -> Bool {
    switch matrix {
    case .product, .tensorTrain, .codebook, .vectors: true
    case .affine(let affine): if case .float16 = affine.scales { true } else { false }
    case .masked(let masked): if case .float16 = masked.values { true } else { false }
    case .transformed(let whole): keeps(whole.inner)
    case .dense, .blocks, .integer, .sparse, .split, .sum: false
    }
  }

  /// The weight.
  func weight(_ factors: [Matrix], rows: Int, columns: Int, on pool: ThreadPool?) -> Matrix {
    switch self {
    case .product: return factors[0].times(factors[1], on: pool)
    case .train(let shape): return stored(.train(shape), factors).decoded(on: pool)
    case .masked(_, let places):
      var weight = Matrix(rows: rows, columns: columns)
      weight.values.withUnsafeMutableBufferPointer { target in
        for (index, place) in places.enumerated() { target[place] = factors[0].values[index] }
      }
      return weight
    case .grid(let grid): return grid.weight(factors, on: pool)
    case .table(let table): return table.weight(factors, on: pool)
    case .codewords(let codewords): return codewords.weight(factors, on: pool)
    case .behind(let transform, let inner):
      let weight = inner.weight(factors, rows: rows, columns: columns, on: pool)
      return StoredMatrix.transformed(Transformed(transform, .dense(Dense(weight)))).decoded(on: pool)
    }
  }

  /// Adds the gradients of the factors to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], into gradients: inout [Matrix], on pool: ThreadPool?
  ) {
    switch self {
    case .product:
      gradients[0].add(productOf: gradient, with: factors[1], otherTransposed: true, on: pool)
      gradients[1].add(productOf: factors[0], transposed: true, with: gradient, on: pool)
    case .train(let shape):
      TensorTrainGradient(shape: shape, cores: factors).add(of: gradient, to: &gradients, on: pool)
    case .masked(_, let places):
      gradients[0].values.withUnsafeMutableBufferPointer { target in
        for (index, place) in places.enumerated() { target[index] += gradient.values[place] }
      }
    case .grid(let grid): grid.carryBack(gradient, factors, into: &gradients, on: pool)
    case .table(let table): table.carryBack(gradient, factors, into: &gradients, on: pool)
    case .codewords(let codewords): codewords.carryBack(gradient, factors, into: &gradients, on: pool)
    case .behind(let transform, let inner):
      // A row of the whole is Tᵀ · a row of what stands behind.
      inner.carryBack(transform.apply(gradient, on: pool), factors, into: &gradients, on: pool)
    }
  }

  /// The weight in its storage: factors and cores in float32, masked weights in float16.
  func stored(_ factors: [Matrix]) -> StoredMatrix { stored(self, factors) }

  private func stored(_ composition: Composition, _ factors: [Matrix]) -> StoredMatrix {
    switch composition {
    case .product: .product(MatrixProduct(.dense(Dense(factors[0])), .dense(Dense(factors[1]))))
    case .train(let shape): .tensorTrain(TensorTrain(shape, cores: factors.map(Dense.init)))
    case .masked(let masked, _): .masked(masked.keeping(factors[0].values))
    case .grid(let grid): grid.stored(factors)
    case .table(let table): table.stored(factors)
    case .codewords(let codewords): codewords.stored(factors)
    case .behind(let transform, let inner): .transformed(Transformed(transform, inner.stored(factors)))
    }
  }

  /// Whether weight decay pulls a factor towards 0: not where it says how others are scaled, or what codes stand for.
  func decays(_ factor: Int) -> Bool {
    switch self {
    case .product, .train, .masked: true
    case .grid, .table, .codewords: false
    case .behind(_, let inner): inner.decays(factor)
    }
  }
}

/// The gradients of the cores of a tensor train from that of the matrix.
///
/// Of a row with the digits i₁ … i_d, dG_k[i_k] = Lᵀ · dW · Rᵀ where L holds the product of the cores before and R that of those behind.
struct TensorTrainGradient {
  let shape: TensorTrain.Shape
  let cores: [Matrix]

  func add(of gradient: Matrix, to gradients: inout [Matrix], on pool: ThreadPool?) {
    // Of an embedding only the rows that a batch names have a gradient.
    let rows = (0..<gradient.rows).filter { row in gradient[row: row].contains { $0 != 0 } }
    let sums = Matrix.summed(rows: rows.count, on: pool, like: gradients) { place, sums in
      add(rows[place], Array(gradient[row: rows[place]]), to: &sums)
    }
    for (index, sum) in sums.enumerated() { gradients[index].add(sum) }
  }

  private func add(_ row: Int, _ gradient: [Float], to sums: inout [Matrix]) {
    let digits = shape.digits(of: row)
    let count = shape.outputs.count
    // before[k]: (j₁ … j_k) × r_k; behind[k]: r_k × (j_{k+1} … j_d).
    var before: [Matrix] = [Matrix(rows: 1, columns: 1, values: [1])]
    for place in 0..<(count - 1) {
      let product = before[place].times(slice(place, digits[place]))
      before.append(
        Matrix(
          rows: product.values.count / shape.rank(behind: place), columns: shape.rank(behind: place),
          values: product.values))
    }
    var behind: [Matrix] = [Matrix(rows: 1, columns: 1, values: [1])]
    for place in (1..<count).reversed() {
      // (r·m) × r′ times r′ × (the columns behind).
      let rank = shape.rank(before: place)
      let core = Matrix(
        rows: rank * shape.inputs[place], columns: shape.rank(behind: place),
        values: slice(place, digits[place]).values)
      let product = core.times(behind[0])
      behind.insert(Matrix(rows: rank, columns: product.values.count / rank, values: product.values), at: 0)
    }
    for place in 0..<count {
      let (first, last) = (before[place], behind[place])
      let width = shape.inputs[place]
      let some = Matrix(rows: first.rows, columns: gradient.count / first.rows, values: gradient)
      let left = first.times(some, transposed: true)
      let flat = Matrix(
        rows: first.columns * width, columns: last.columns, values: left.values)
      let core = flat.times(last, otherTransposed: true)
      let columns = width * last.rows
      for rank in 0..<first.columns {
        let target = (rank * shape.outputs[place] + digits[place]) * columns
        for column in 0..<columns {
          sums[place].values[target + column] += core.values[rank * columns + column]
        }
      }
    }
  }

  /// r_{k−1} × (m_k·r_k) of a core, for a value of its row's digit.
  private func slice(_ place: Int, _ digit: Int) -> Matrix {
    let rank = shape.rank(before: place)
    let columns = cores[place].columns
    return Matrix(rows: rank, columns: columns) { target in
      for row in 0..<rank {
        let start = (row * shape.outputs[place] + digit) * columns
        for column in 0..<columns { target[row * columns + column] = cores[place].values[start + column] }
      }
    }
  }
}
