import PithQuantization
import PithTensors
import PithWeights

/// TT-SVD (Oseledets, SIAM J. Sci. Comput. 33, 2011, algorithm 1; of a matrix Novikov et al., arXiv 1509.06569): with the digits of rows and
/// columns in pairs, one low-rank product after the other splits off a core.
enum TensorTrainSVD {
  static func factorize(
    _ weight: Matrix, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> StoredMatrix {
    guard let shape = TensorTrain.Shape(rows: weight.rows, columns: weight.columns, rank: options.rank) else {
      throw .rank(options.rank ?? 1, rows: weight.rows, columns: weight.columns, largest: 0)
    }
    guard shape.parameters < weight.rows * weight.columns else {
      let largest = (1..<(options.rank ?? 1)).last { rank in
        let smaller = TensorTrain.Shape(rows: weight.rows, columns: weight.columns, rank: rank)
        return smaller.map { $0.parameters < weight.rows * weight.columns } ?? false
      }
      throw .rank(options.rank ?? 1, rows: weight.rows, columns: weight.columns, largest: largest ?? 0)
    }
    var rest = paired(weight, shape)
    var cores: [Dense] = []
    for place in shape.outputs.indices {
      let (rows, columns) = shape.cores[place]
      let core: Matrix
      if place < shape.ranks.count {
        let rank = shape.ranks[place]
        // rank before × (digits of this place) are rows, the digits to come columns.
        let height = shape.rank(before: place) * shape.outputs[place] * shape.inputs[place]
        let unfolded = Matrix(rows: height, columns: rest.values.count / height, values: rest.values)
        guard var factors = LowRankFactors(unfolded, rank: rank, on: pool) else { throw .notFactored }
        factors.balance()
        core = Matrix(rows: rows, columns: columns, values: factors.left.values)
        rest = factors.right
      } else {
        core = Matrix(rows: rows, columns: columns, values: rest.values)
      }
      guard case .dense(let stored) = try Float16.quantize(core, options, pool) else {
        preconditionFailure("float16 is dense")
      }
      cores.append(stored)
    }
    return .tensorTrain(TensorTrain(shape, cores: cores))
  }

  /// The weights in the order (i₁, j₁, i₂, j₂, …), rows that the matrix does not have being 0.
  private static func paired(_ weight: Matrix, _ shape: TensorTrain.Shape) -> Matrix {
    let (outputs, inputs) = (shape.outputs, shape.inputs)
    // How far apart consecutive values of each digit lie.
    var steps = [Int](repeating: 0, count: outputs.count)
    var step = 1
    for place in outputs.indices.reversed() {
      steps[place] = step
      step *= outputs[place] * inputs[place]
    }
    func places(_ sizes: [Int], _ count: Int, _ step: (Int) -> Int) -> [Int] {
      (0..<count).map { number in
        var (rest, place) = (number, 0)
        for index in sizes.indices.reversed() {
          place += rest % sizes[index] * step(index)
          rest /= sizes[index]
        }
        return place
      }
    }
    let rows = places(outputs, weight.rows) { steps[$0] * inputs[$0] }
    let columns = places(inputs, weight.columns) { steps[$0] }
    var result = Matrix(rows: 1, columns: step)
    result.values.withUnsafeMutableBufferPointer { target in
      for (row, start) in rows.enumerated() {
        for (column, place) in columns.enumerated() {
          target[start + place] = weight.values[row * weight.columns + column]
        }
      }
    }
    return result
  }
}
