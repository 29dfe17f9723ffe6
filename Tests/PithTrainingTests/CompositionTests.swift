import PithTensors
import PithWeights
import Testing

@testable import PithTraining

/// Weights are multilinear in what they are made of, so that differences give their derivatives exactly.
struct CompositionTests {
  static func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows, columns: columns, values: (0..<(rows * columns)).map { _ in generator.uniform() - 0.5 })
  }

  static let matrices: [StoredMatrix] = {
    let shape = TensorTrain.Shape(rows: 41, outputs: [4, 3, 4], inputs: [2, 5, 3], ranks: [3, 2])
    return [
      .product(
        MatrixProduct(.dense(Dense(random(6, 3, seed: 1))), .dense(Dense(random(3, 9, seed: 2))))),
      .tensorTrain(
        TensorTrain(
          shape, cores: shape.cores.enumerated().map { Dense(random($1.rows, $1.columns, seed: UInt64($0))) }
        )),
      .masked(Masked(random(7, 40, seed: 3), at: .seed(5, perRow: 11))),
    ]
  }()

  static func halves(_ values: [Float]) -> Bytes {
    Bytes(copying: values.map { Half.encode($0).littleEndian })
  }

  /// Every fifth place, and so around.
  static func permutation(_ count: Int) -> Bytes {
    Bytes(copying: (0..<count).map { UInt16($0 * 5 % count).littleEndian })
  }

  @Test(arguments: matrices.indices) func gradientsAreThoseOfDifferences(_ index: Int) throws {
    let matrix = Self.matrices[index]
    let (composition, factors) = try #require(Composition.of(matrix))
    let pool = ThreadPool(threads: 3)
    func weight(_ factors: [Matrix]) -> Matrix {
      composition.weight(factors, rows: matrix.rows, columns: matrix.columns, on: pool)
    }
    #expect(zip(weight(factors).values, matrix.decoded().values).allSatisfy { abs($0 - $1) < 1e-6 })
    // The loss Σ c·w; a row without a gradient is left out.
    var c = Self.random(matrix.rows, matrix.columns, seed: 17)
    for column in 0..<c.columns { c[1, column] = 0 }
    func loss(_ factors: [Matrix]) -> Double {
      zip(c.values, weight(factors).values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    var gradients = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    composition.carryBack(c, factors, into: &gradients, on: pool)
    var alone = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    composition.carryBack(c, factors, into: &alone, on: ThreadPool(threads: 1))
    #expect(gradients == alone)
    for (factor, gradient) in gradients.enumerated() {
      for place in stride(from: 0, to: gradient.values.count, by: 3) {
        var (up, down) = (factors, factors)
        up[factor].values[place] += 0.5
        down[factor].values[place] -= 0.5
        let difference = loss(up) - loss(down)
        #expect(abs(Double(gradient.values[place]) - difference) < 1e-4, "\(factor), \(place)")
      }
    }
    let stored = composition.stored(factors)
    #expect(
      stored.isPacked
        && zip(stored.decoded().values, matrix.decoded().values).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test func plainWeightsAreTrainedAsTheyAre() {
    #expect(Composition.of(.dense(Dense(Self.random(2, 3, seed: 1)))) == nil)
  }
}
