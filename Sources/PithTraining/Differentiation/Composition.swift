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
  /// Integers that meet quantized inputs: the same.
  case integers(LearnedIntegers)
  /// Codes of values: the weights that are rounded to them, the values, and scales.
  case table(LearnedTable)
  /// Codes of vectors: the vectors, the weights that they are chosen for, and scales.
  case codewords(LearnedCodewords)
  /// A weight times its gates.
  case gated(GateGrid)
  /// What stands behind a transform of the inputs.
  case behind(InputTransform, Composition)

  /// How a stored matrix is made, with its values; nil for one that is trained as a whole.
  ///
  /// - Parameter original: what it was before it was stored so, if that is known.
  static func of(_ matrix: StoredMatrix, near original: Matrix? = nil, on pool: ThreadPool? = nil) -> (
    composition: Composition, factors: [Matrix]
  )? {
    switch matrix {
    case .product(let product): return (.product, [product.left.decoded(), product.right.decoded()])
    case .tensorTrain(let train):
      return (.train(train.shape), train.cores.map { StoredMatrix.dense($0).decoded() })
    case .masked(let masked):
      let (places, decoded) = (masked.places, matrix.decoded())
      let values = Matrix(rows: 1, columns: places.count, values: places.map { decoded.values[$0] })
      return (.masked(masked, places: places), [values])
    case .affine(let affine):
      return LearnedGrid(affine).map { (.grid($0), $0.factors(near: original)) }
    case .integer(let product):
      return LearnedIntegers(product).map { (.integers($0), $0.factors(near: original)) }
    case .codebook(let codebook):
      let table = LearnedTable(codebook)
      return (.table(table), table.factors(near: original))
    case .vectors(let vectors):
      let codewords = LearnedCodewords(vectors)
      return (.codewords(codewords), codewords.factors(near: original, on: pool))
    case .transformed(let whole):
      let inner = original.map { whole.transform.behind($0, on: pool) }
      return of(whole.inner, near: inner, on: pool).map {
        (.behind(whole.transform, $0.composition), $0.factors)
      }
    case .dense, .blocks, .sparse, .split, .sum: return nil
    }
  }

  /// Whether a packed matrix that is trained is stored afterwards as it was; factors and cores in float32.
  static func keeps(_ matrix: StoredMatrix) -> Bool {
    switch matrix {
    case .product, .tensorTrain, .codebook, .vectors: true
    case .affine(let affine): if case .float16 = affine.scales { true } else { false }
    case .integer(let product): if case .float16 = product.scales { true } else { false }
    case .masked(let masked): if case .float16 = masked.values { true } else { false }
    case .transformed(let whole): keeps(whole.inner)
    case .dense, .blocks, .sparse, .split, .sum: false
    }
  }

  /// The weight.
  ///
  /// - Parameter noise: what gates are drawn from; nil for those of a model in use.
  func weight(_ factors: [Matrix], rows: Int, columns: Int, noise: UInt64? = nil, on pool: ThreadPool?)
    -> Matrix
  {
    switch self {
    case .product: return factors[0].times(factors[1], on: pool)
    case .train(let shape): return stored(.train(shape), factors, on: pool).decoded(on: pool)
    case .masked(_, let places):
      var weight = Matrix(rows: rows, columns: columns)
      weight.values.withUnsafeMutableBufferPointer { target in
        for (index, place) in places.enumerated() { target[place] = factors[0].values[index] }
      }
      return weight
    case .grid(let grid): return grid.weight(factors, on: pool)
    case .integers(let integers): return integers.weight(factors, on: pool)
    case .table(let table): return table.weight(factors, on: pool)
    case .codewords(let codewords): return codewords.weight(factors, on: pool)
    case .gated(let grid): return grid.weight(factors, noise: noise, on: pool)
    case .behind(let transform, let inner):
      let weight = inner.weight(factors, rows: rows, columns: columns, on: pool)
      return StoredMatrix.transformed(Transformed(transform, .dense(Dense(weight)))).decoded(on: pool)
    }
  }

  /// Adds the gradients of the factors to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], noise: UInt64? = nil, into gradients: inout [Matrix],
    on pool: ThreadPool?
  ) {
    switch self {
    case .product:
      gradients[0].add(productOf: gradient, with: factors[1], otherTransposed: true, on: pool)
      gradients[1].add(productOf: factors[0], transposed: true, with: gradient, on: pool)
    case .train(let shape):
      TensorTrainGradient(shape, cores: factors).add(of: gradient, to: &gradients, on: pool)
    case .masked(_, let places):
      gradients[0].values.withUnsafeMutableBufferPointer { target in
        for (index, place) in places.enumerated() { target[index] += gradient.values[place] }
      }
    case .grid(let grid): grid.carryBack(gradient, factors, into: &gradients, on: pool)
    case .integers(let integers): integers.carryBack(gradient, factors, into: &gradients, on: pool)
    case .table(let table): table.carryBack(gradient, factors, into: &gradients, on: pool)
    case .codewords(let codewords): codewords.carryBack(gradient, factors, into: &gradients, on: pool)
    case .gated(let grid): grid.carryBack(gradient, factors, noise: noise, into: &gradients, on: pool)
    case .behind(let transform, let inner):
      // A row of the whole is Tᵀ · a row of what stands behind.
      inner.carryBack(transform.apply(gradient, on: pool), factors, into: &gradients, on: pool)
    }
  }

  /// The weight in its storage: factors and cores in float32, masked weights in float16.
  func stored(_ factors: [Matrix], on pool: ThreadPool? = nil) -> StoredMatrix {
    stored(self, factors, on: pool)
  }

  private func stored(_ composition: Composition, _ factors: [Matrix], on pool: ThreadPool?) -> StoredMatrix {
    switch composition {
    case .product: .product(MatrixProduct(.dense(Dense(factors[0])), .dense(Dense(factors[1]))))
    case .train(let shape): .tensorTrain(TensorTrain(shape, cores: factors.map(Dense.init)))
    case .masked(let masked, _): .masked(masked.keeping(factors[0].values))
    case .grid(let grid): grid.stored(factors)
    case .integers(let integers): integers.stored(factors)
    case .table(let table): table.stored(factors)
    case .codewords(let codewords): codewords.stored(factors, on: pool)
    case .gated(let grid): .smallest(of: grid.weight(factors, noise: nil, on: pool))
    case .behind(let transform, let inner):
      .transformed(Transformed(transform, inner.stored(factors, on: pool)))
    }
  }

  /// What is multiplied of some inputs of the weight; nil for all as they are.
  func seen(_ x: Matrix, on pool: ThreadPool) -> Matrix? {
    switch self {
    case .integers(let integers): integers.seen(x, on: pool)
    case .behind(let transform, let inner):
      inner.seen(transform.apply(x, on: pool), on: pool).map { transform.undo($0, on: pool) }
    default: nil
    }
  }

  /// Whether gates are drawn for each step.
  var isGated: Bool { if case .gated = self { true } else { false } }

  /// Whether weight decay pulls a factor towards 0: not where it says how others are scaled, or what codes stand for.
  func decays(_ factor: Int) -> Bool {
    switch self {
    case .product, .train, .masked: true
    case .gated: factor == 0
    case .grid, .integers, .table, .codewords: false
    case .behind(_, let inner): inner.decays(factor)
    }
  }
}
