import PithLinearAlgebra
import PithTensors

/// OBS with whole blocks of inputs in the place of single weights (Kurtić, Frantar and Alistarh, arXiv 2302.04089, section 3.1).
///
/// Without the columns S the layer loss tr(ΔW·H·ΔWᵀ)/2 grows by tr(W_S·M·W_Sᵀ)/2 with M = ([H⁻¹]_SS)⁻¹; those that are
/// left move by −W_S·M·[H⁻¹]_S,:, and H⁻¹ loses S by a step of Gaussian elimination. Blocks are removed one by one in
/// float32, to choose them; `compensated` then makes up for all at once in float64.
package struct BlockSurgeon: BlockScore {
  /// One row per input; zeros where it is gone.
  private var inputs: Matrix

  /// H⁻¹; zeros where inputs are gone.
  private var inverse: Matrix

  /// A matrix before anything is removed.
  ///
  /// - Parameters:
  ///   - weight: outputs × inputs.
  ///   - inverse: H⁻¹.
  package init(_ weight: Matrix, inverse: SymmetricMatrix) {
    precondition(weight.columns == inverse.size, "\(weight.columns) columns for H of \(inverse.size)")
    inputs = weight.transposed
    self.inverse = Matrix(rows: inverse.size, columns: inverse.size, values: inverse.values.map(Float.init))
  }

  /// What the layer loss grows by when a block goes and the rest makes up for it.
  package func loss(of block: Range<Int>) -> Double {
    if block.count == 1 {
      let energy = inputs[row: block.lowerBound].reduce(0) { $0 + $1 * $1 }
      return Double(energy / inverse[block.lowerBound, block.lowerBound]) / 2
    }
    let factor = Self.factor(inverse, Array(block))
    let weights = (0..<inputs.columns).flatMap { output in block.map { Double(inputs[$0, output]) } }
    return zip(weights, factor.solve(weights)).reduce(0) { $0 + $1.0 * $1.1 } / 2
  }

  /// Removes a block.
  package mutating func remove(_ block: Range<Int>, on pool: ThreadPool?) {
    let (size, outputs) = (inputs.rows, inputs.columns)
    let factor = Self.factor(inverse, Array(block))
    // One row of M·[H⁻¹]_S,: for each input.
    let shares = factor.solve((0..<size).flatMap { row in block.map { Double(inverse[row, $0]) } }).map(
      Float.init)
    let gone = (block.map { Array(inputs[row: $0]) }, block.map { Array(inverse[row: $0]) })
    inputs.values.withUnsafeMutableBufferPointer { inputs in
      inverse.values.withUnsafeMutableBufferPointer { inverse in
        nonisolated(unsafe) let (inputs, inverse) = (inputs.baseAddress!, inverse.baseAddress!)
        Self.forEach(size, on: pool) { row in
          for index in 0..<block.count {
            let share = shares[row * block.count + index]
            // What is gone already has no share.
            if share == 0 { continue }
            Self.subtract(share, gone.0[index], from: inputs + row * outputs)
            Self.subtract(share, gone.1[index], from: inverse + row * size)
          }
        }
        for input in block {
          for output in 0..<outputs { inputs[input * outputs + output] = 0 }
          for other in 0..<size {
            inverse[input * size + other] = 0
            inverse[other * size + input] = 0
          }
        }
      }
    }
  }

  /// A matrix without some of its inputs, whose columns are 0, and the rest making up for them as well as it can.
  ///
  /// - Parameter inverse: H⁻¹.
  package static func compensated(
    _ weight: Matrix, without inputs: [Int], inverse: SymmetricMatrix, on pool: ThreadPool? = nil
  ) -> Matrix {
    guard !inputs.isEmpty else { return weight }
    let factor = SymmetricMatrix(
      size: inputs.count, values: inputs.flatMap { row in inputs.map { inverse[row, $0] } }
    ).cholesky()!
    let shares = Matrix(
      rows: inverse.size, columns: inputs.count,
      values: factor.solve((0..<inverse.size).flatMap { row in inputs.map { inverse[row, $0] } }).map(
        Float.init))
    let gone = Matrix(
      rows: weight.rows, columns: inputs.count,
      values: (0..<weight.rows).flatMap { row in inputs.map { weight[row, $0] } })
    var result = weight
    let moves = gone.times(shares, otherTransposed: true, on: pool)
    for index in result.values.indices { result.values[index] -= moves.values[index] }
    for row in 0..<result.rows { for input in inputs { result[row, input] = 0 } }
    return result
  }

  private static func factor(_ inverse: Matrix, _ block: [Int]) -> CholeskyFactor {
    let values = block.flatMap { row in block.map { Double(inverse[row, $0]) } }
    // What is left of H⁻¹ is positive definite but for rounding.
    var damped = SymmetricMatrix(size: block.count, values: values)
    while true {
      if let factor = damped.cholesky() { return factor }
      let mean = block.indices.reduce(0) { $0 + abs(damped[$1, $1]) } / Double(block.count)
      for index in block.indices { damped[index, index] += max(mean * 1e-3, .leastNormalMagnitude) }
    }
  }

  private static func subtract(
    _ share: Float, _ row: [Float], from target: UnsafeMutablePointer<Float>
  ) {
    row.withUnsafeBufferPointer { row in
      for index in row.indices { target[index] -= share * row[index] }
    }
  }

  private static func forEach(_ count: Int, on pool: ThreadPool?, _ body: (Int) -> Void) {
    guard let pool else {
      for index in 0..<count { body(index) }
      return
    }
    pool.forEach(count: count, grain: 32) { range in for index in range { body(index) } }
  }
}
