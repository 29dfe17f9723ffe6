import PithTensors

/// How a weight matrix is stored: rows are outputs, columns are inputs.
///
///     let y = weight.multiply(x, on: pool)       // x: tokens × columns  →  y: tokens × rows
///     let exact = weight.byteCount               // codes, scales, zero points, tables: every byte
///     let plain = weight.decoded()               // float32, rows × columns
///
/// The matrix stays packed in memory and is multiplied as it is. A new storage is one struct in a file of its
/// own and one case here; the compiler then names every place that must know it.
public indirect enum StoredMatrix: Sendable {
  /// Floating point values as they are.
  case dense(Dense)

  /// Integers of 2–8 bits with a scale, and perhaps a zero point, per group of columns.
  case affine(Affine)

  /// Codes of 1–8 bits that index a table of values, perhaps scaled per group of columns.
  case codebook(Codebook)

  /// Codes that index tables of vectors, of which each run of weights is a sum.
  case vectors(VectorCodebook)

  /// The block formats of GGUF files.
  case blocks(Blocks)

  /// Integers of 4 or 8 bits that meet quantized activations in integer arithmetic.
  case integer(IntegerProduct)

  /// Few values, the others 0.
  case sparse(Sparse)

  /// A mask that says which weights are stored, the others 0.
  case masked(Masked)

  /// A matrix behind a permutation, scaling or rotation of its inputs.
  case transformed(Transformed)

  /// Matrices side by side.
  case split(ColumnSplit)

  /// A sum of matrices.
  case sum(MatrixSum)

  /// A product of two matrices.
  case product(MatrixProduct)

  /// A matrix whose entries are products of slices of cores.
  case tensorTrain(TensorTrain)

  /// The number of outputs.
  public var rows: Int {
    switch self {
    case .dense(let storage): storage.rows
    case .affine(let storage): storage.rows
    case .codebook(let storage): storage.rows
    case .vectors(let storage): storage.rows
    case .blocks(let storage): storage.rows
    case .integer(let storage): storage.rows
    case .sparse(let storage): storage.rows
    case .masked(let storage): storage.rows
    case .transformed(let storage): storage.inner.rows
    case .split(let storage): storage.rows
    case .sum(let storage): storage.rows
    case .product(let storage): storage.left.rows
    case .tensorTrain(let storage): storage.rows
    }
  }

  /// The number of inputs.
  public var columns: Int {
    switch self {
    case .dense(let storage): storage.columns
    case .affine(let storage): storage.columns
    case .codebook(let storage): storage.columns
    case .vectors(let storage): storage.columns
    case .blocks(let storage): storage.columns
    case .integer(let storage): storage.columns
    case .sparse(let storage): storage.columns
    case .masked(let storage): storage.columns
    case .transformed(let storage): storage.inner.columns
    case .split(let storage): storage.columns
    case .sum(let storage): storage.columns
    case .product(let storage): storage.right.columns
    case .tensorTrain(let storage): storage.columns
    }
  }

  /// The plain tensors that the matrix is made of.
  public var tensors: [NamedTensor] {
    switch self {
    case .dense(let storage): storage.tensors
    case .affine(let storage): storage.tensors
    case .codebook(let storage): storage.tensors
    case .vectors(let storage): storage.tensors
    case .blocks(let storage): storage.tensors
    case .integer(let storage): storage.tensors
    case .sparse(let storage): storage.tensors
    case .masked(let storage): storage.tensors
    case .transformed(let storage): storage.tensors
    case .split(let storage): storage.tensors
    case .sum(let storage): storage.tensors
    case .product(let storage): storage.tensors
    case .tensorTrain(let storage): storage.tensors
    }
  }

  /// The exact number of stored bytes: codes, scales, zero points, tables.
  public var byteCount: Int { tensors.reduce(0) { $0 + $1.bytes.count } }

  /// Stored bits divided by the number of weights.
  public var bitsPerWeight: Double { Double(byteCount) * 8 / Double(rows * columns) }

  /// Whether the weights are anything but plain floating point values.
  public var isPacked: Bool {
    if case .dense = self { false } else { true }
  }

  /// Decodes one row: writes `columns` values.
  public func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows, "row \(row) of \(rows)")
    switch self {
    case .dense(let storage): storage.decode(row: row, into: target)
    case .affine(let storage): storage.decode(row: row, into: target)
    case .codebook(let storage): storage.decode(row: row, into: target)
    case .vectors(let storage): storage.decode(row: row, into: target)
    case .blocks(let storage): storage.decode(row: row, into: target)
    case .integer(let storage): storage.decode(row: row, into: target)
    case .sparse(let storage): storage.decode(row: row, into: target)
    case .masked(let storage): storage.decode(row: row, into: target)
    case .transformed(let storage): storage.decode(row: row, into: target)
    case .split(let storage): storage.decode(row: row, into: target)
    case .sum(let storage): storage.decode(row: row, into: target)
    case .product(let storage): storage.decode(row: row, into: target)
    case .tensorTrain(let storage): storage.decode(row: row, into: target)
    }
  }

  /// Decodes consecutive rows.
  func decode(rows range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    if case .tensorTrain(let storage) = self {
      storage.decode(rows: range, into: target)
    } else {
      for row in range { decode(row: row, into: target + (row - range.lowerBound) * columns) }
    }
  }

  /// The chosen rows in float32, one after the other: an embedding look-up.
  public func decoded(rows chosen: [Int]) -> Matrix {
    if case .product(let storage) = self { return storage.decoded(rows: chosen, on: nil) }
    return Matrix(rows: chosen.count, columns: columns) { target in
      guard let start = target.baseAddress else { return }
      for (position, row) in chosen.enumerated() { decode(row: row, into: start + position * columns) }
    }
  }

  /// The whole matrix in float32, decoded on some threads or on the caller's alone.
  public func decoded(on pool: ThreadPool? = nil) -> Matrix {
    guard let pool else { return decoded(rows: Array(0..<rows)) }
    if case .product(let storage) = self { return storage.decoded(rows: Array(0..<rows), on: pool) }
    return Matrix(rows: rows, columns: columns) { target in
      guard let start = target.baseAddress else { return }
      nonisolated(unsafe) let first = start
      pool.forEach(count: rows, grain: 16) { range in
        decode(rows: range, into: first + range.lowerBound * columns)
      }
    }
  }
}
