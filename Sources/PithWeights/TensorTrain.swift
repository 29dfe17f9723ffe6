import CPithKernels
import PithTensors

/// A matrix whose entries are products of slices of small cores (tensor-train matrix: Novikov et al., arXiv 1509.06569; for
/// embeddings Hrinchuk et al., arXiv 1901.10787):
///
///     W[(i₁ … i_d), (j₁ … j_d)] = G₁[i₁, j₁] · G₂[i₂, j₂] · … · G_d[i_d, j_d]
///
/// where i₁ … i_d are the digits of a row's number, j₁ … j_d those of a column's, and each G_k[i, j] a matrix of ranks. A row is
/// decoded, and a few activations are multiplied, core by core; many meet rows that are decoded, some at a time: W itself is never formed.
public struct TensorTrain: Sendable {
  /// The sizes of a train.
  public struct Shape: Sendable, Equatable {
    /// The rows of the matrix, at most the product of `outputs`: numbers above it name none.
    public let rows: Int
    /// The values that each digit of a row's number has, the most significant first.
    public let outputs: [Int]
    /// The same of a column's.
    public let inputs: [Int]
    /// What lies between one core and the next: a number fewer than cores.
    public let ranks: [Int]

    /// The shape of a train of at least one core.
    public init(rows: Int, outputs: [Int], inputs: [Int], ranks: [Int]) {
      precondition(!outputs.isEmpty && outputs.count == inputs.count && ranks.count == outputs.count - 1)
      precondition((outputs + inputs + ranks).allSatisfy { $0 > 0 } && rows <= outputs.reduce(1, *))
      self.rows = rows
      self.outputs = outputs
      self.inputs = inputs
      self.ranks = ranks
    }
  }

  /// The sizes.
  public let shape: Shape

  /// G_k as a matrix of r_{k−1}·n_k rows and m_k·r_k columns, for n_k values of the row's digit and m_k of the column's.
  public let cores: [Dense]

  /// A train of cores.
  public init(_ shape: Shape, cores: [Dense]) {
    precondition(
      cores.count == shape.cores.count
        && zip(cores, shape.cores).allSatisfy { $0.rows == $1.rows && $0.columns == $1.columns },
      "cores of the shape")
    self.shape = shape
    self.cores = cores
  }
}

extension TensorTrain.Shape {
  /// The number of columns.
  public var columns: Int { inputs.reduce(1, *) }

  /// The rows and columns of each core as a matrix.
  public var cores: [(rows: Int, columns: Int)] {
    outputs.indices.map { (rank(before: $0) * outputs[$0], inputs[$0] * rank(behind: $0)) }
  }

  /// The number of values in all cores.
  public var parameters: Int { cores.reduce(0) { $0 + $1.rows * $1.columns } }

  /// The rank before a core: 1 before the first.
  public func rank(before core: Int) -> Int { core == 0 ? 1 : ranks[core - 1] }

  /// The rank behind a core: 1 behind the last.
  public func rank(behind core: Int) -> Int { core == ranks.count ? 1 : ranks[core] }

  /// The digits of a row's number.
  public func digits(of row: Int) -> [Int] {
    var (rest, digits) = (row, [Int](repeating: 0, count: outputs.count))
    for place in outputs.indices.reversed() {
      digits[place] = rest % outputs[place]
      rest /= outputs[place]
    }
    return digits
  }
}

extension TensorTrain {
  var rows: Int { shape.rows }
  var columns: Int { shape.columns }

  var tensors: [NamedTensor] {
    cores.enumerated().flatMap { index, core in core.tensors.map { $0.prefixed("core\(index)") } }
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    decode(rows: row..<(row + 1), into: target)
  }

  /// Consecutive rows, which share the products of the digits that they have in common.
  func decode(rows: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    // products[k]: (j₁ … j_k) × r_k, of the first k digits.
    var products: [[Float]] = [[1]]
    var known: [Int] = []
    for row in rows {
      let digits = shape.digits(of: row)
      let same = zip(known, digits).prefix { $0 == $1 }.count
      products.removeLast(products.count - 1 - min(same, shape.outputs.count - 1))
      for place in (products.count - 1)..<shape.outputs.count {
        products.append(times(products[place], digit: digits[place], of: place))
      }
      known = digits
      products.last!.withUnsafeBufferPointer {
        (target + (row - rows.lowerBound) * columns).update(from: $0.baseAddress!, count: columns)
      }
    }
  }

  /// (j₁ … j_{k−1}) × r_{k−1} times the slice of a core, r_{k−1} × (m_k·r_k).
  private func times(_ product: [Float], digit: Int, of place: Int) -> [Float] {
    let (rank, width) = (shape.rank(before: place), cores[place].columns)
    let count = product.count / rank
    return [Float](unsafeUninitializedCapacity: count * width) { target, filled in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: rank * width) { slice in
        for row in 0..<rank {
          cores[place].decode(
            row: row * shape.outputs[place] + digit, into: slice.baseAddress! + row * width)
        }
        product.withUnsafeBufferPointer { product in
          pith_product(
            pith_operand(start: product.baseAddress!, row: rank, column: 1),
            pith_operand(start: slice.baseAddress!, row: width, column: 1), count, width, rank, false,
            target.baseAddress!, width)
        }
      }
      filled = count * width
    }
  }

  /// Whether core by core some tokens cost less than rows that are decoded for all of them, in products of two numbers.
  func contracts(tokens: Int) -> Bool {
    var (contracting, decoding) = (0, 0)
    for place in shape.outputs.indices {
      let core = shape.cores[place].rows * shape.cores[place].columns
      let (before, behind) = (shape.inputs[..<place].reduce(1, *), shape.outputs[(place + 1)...].reduce(1, *))
      contracting += before * core * behind
      decoding += before * shape.outputs[..<place].reduce(1, *) * core
    }
    return tokens * contracting <= decoding + tokens * rows * columns
  }

  /// x · Wᵀ, from the last core to the first: each turns, for every value of the digits before, its column's digit and the
  /// rank behind into the rank before and its row's digit.
  func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    guard x.rows > 0 else { return Matrix(rows: 0, columns: rows) }
    var values = x.values
    var behind = 1
    for place in cores.indices.reversed() {
      let core = StoredMatrix.dense(cores[place]).decoded(on: pool)
      values = Self.contract(values, core, behind: behind, on: pool)
      behind *= shape.outputs[place]
    }
    guard behind > rows else { return Matrix(rows: x.rows, columns: rows, values: values) }
    return Matrix(rows: x.rows, columns: rows) { target in
      for token in 0..<x.rows {
        for row in 0..<rows { target[token * rows + row] = values[token * behind + row] }
      }
    }
  }

  /// Each (columns of the core × behind) in turn becomes core · it, (rows of the core × behind).
  private static func contract(
    _ values: [Float], _ core: Matrix, behind: Int, on pool: ThreadPool
  ) -> [Float] {
    let (rows, columns) = (core.rows, core.columns)
    let count = values.count / (columns * behind)
    return [Float](unsafeUninitializedCapacity: count * rows * behind) { target, filled in
      values.withUnsafeBufferPointer { values in
        core.values.withUnsafeBufferPointer { core in
          nonisolated(unsafe) let (x, g, y) = (
            values.baseAddress!, core.baseAddress!, target.baseAddress!
          )
          if behind == 1 {
            // Tokens, and the digits before, are rows of one product.
            pool.forEach(count: count, grain: 16) { range in
              pith_product(
                pith_operand(start: x + range.lowerBound * columns, row: columns, column: 1),
                pith_operand(start: g, row: 1, column: columns), range.count, rows, columns, false,
                y + range.lowerBound * rows, rows)
            }
          } else {
            let panel = 32
            let panels = (rows + panel - 1) / panel
            pool.forEach(count: count * panels, grain: 1) { range in
              for task in range {
                let (part, first) = (task / panels, task % panels * panel)
                pith_product(
                  pith_operand(start: g + first * columns, row: columns, column: 1),
                  pith_operand(start: x + part * columns * behind, row: behind, column: 1),
                  min(panel, rows - first), behind, columns, false, y + (part * rows + first) * behind,
                  behind)
              }
            }
          }
        }
      }
      filled = count * rows * behind
    }
  }
}
