import PithLinearAlgebra
import PithQuantization
import PithTensors
import PithWeights
import Testing

@testable import PithFactorization

struct FactorizationTests {
  let pool = ThreadPool(threads: 2)

  /// Normal values whose columns differ in size.
  private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return Matrix(
      rows: rows, columns: columns,
      values: (0..<(rows * columns)).map { index in
        let sum = (0..<12).reduce(Float(-6)) { sum, _ in sum + generator.uniform() }
        return sum * (1 + Float(index % columns % 5))
      })
  }

  private func error(_ a: Matrix, _ b: Matrix) -> Double {
    zip(a.values, b.values).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
  }

  private func factorize(
    _ name: String, _ weight: Matrix, _ statistics: InputStatistics? = nil,
    _ change: (inout MethodOptions) -> Void = { _ in }
  ) throws -> StoredMatrix {
    let method = CompressionMethod.factorization.first { $0.name == name }!
    var options = method.defaults
    change(&options)
    return try method.quantize(weight, statistics, options: options, on: pool).matrix
  }

  @Test(arguments: [(24, 24), (40, 17), (17, 40), (9, 1), (1, 9)])
  func noProductOfARankIsNearer(rows: Int, columns: Int) throws {
    let weight = random(rows, columns, seed: UInt64(rows))
    let values = try #require(SingularValues(of: weight)).s
    for rank in 1...min(rows, columns, 8) {
      let factors = try #require(LowRankFactors(weight, rank: rank, on: pool))
      let left = values.dropFirst(rank).reduce(0) { $0 + Double($1) * Double($1) }
      let found = error(factors.left.times(factors.right), weight)
      #expect(abs(found - left) <= 1e-4 * left + 1e-6 * error(weight, Matrix(rows: rows, columns: columns)))
    }
  }

  @Test func whatCalibrationSawCounts() throws {
    let weight = random(30, 20, seed: 3)
    var observer = InputObserver(columns: 20)
    observer.add(random(200, 6, seed: 4).times(random(6, 20, seed: 5)))
    observer.add(random(50, 20, seed: 6))
    let statistics = observer.statistics
    func loss(_ loss: QuantizationLoss) throws -> Double {
      let stored = try factorize("svd", weight, statistics) { ($0.rank, $0.loss) = (6, loss) }
      return statistics.relativeLoss(of: stored.decoded(), to: weight)
    }
    let (plain, layer) = (try loss(.plain), try loss(.layer))
    #expect(layer < 0.5 * plain, "\(layer) and \(plain)")
  }

  @Test func aRankThatSavesNothingIsRefused() throws {
    let weight = random(30, 20, seed: 3)
    #expect(throws: MethodError.rank(12, rows: 30, columns: 20, largest: 11)) {
      try factorize("svd", weight) { $0.rank = 12 }
    }
    #expect(throws: MethodError.self) { try factorize("svd", weight) { $0.rank = 0 } }
    #expect(throws: MethodError.self) { try factorize("tensor-train", weight) { $0.rank = 1000 } }
    // By default half of the parameters are left, in float16.
    #expect(try factorize("svd", weight).byteCount <= 30 * 20)
    #expect(try factorize("tensor-train", weight).byteCount <= 30 * 20)
  }

  @Test(arguments: [(64, 24), (61, 24), (120, 36), (31, 7)])
  func aTrainIsTheWeightWhereRanksAreNotCut(rows: Int, columns: Int) throws {
    // A weight that is a train of small ranks itself.
    let shape = try #require(TensorTrain.Shape(rows: rows, columns: columns, rank: 2))
    let cores = shape.cores.enumerated().map { Dense(random($1.rows, $1.columns, seed: UInt64($0 + 3))) }
    let weight = StoredMatrix.tensorTrain(TensorTrain(shape, cores: cores)).decoded()
    let found = try factorize("tensor-train", weight) { $0.rank = 2 }
    let whole = error(weight, Matrix(rows: rows, columns: columns))
    // Rows that the matrix does not have need not be 0 in the train that it is cut from.
    let isPadded = shape.outputs.reduce(1, *) > rows
    #expect(error(found.decoded(), weight) <= (isPadded ? 0.5 : 1e-5) * whole)
  }

  @Test func shapesOfTrains() throws {
    let vocabulary = try #require(TensorTrain.Shape(rows: 30_522, columns: 384, rank: 32))
    #expect(vocabulary.outputs.reduce(1, *) >= 30_522 && vocabulary.outputs.reduce(1, *) < 31_600)
    #expect(vocabulary.inputs.reduce(1, *) == 384 && vocabulary.ranks == [32, 32])
    let half = try #require(TensorTrain.Shape(rows: 1536, columns: 384, rank: nil))
    #expect(2 * half.parameters <= 1536 * 384 && 2 * half.parameters > 1536 * 384 * 9 / 10)
    #expect(TensorTrain.Shape(rows: 1, columns: 1, rank: nil) == nil)
  }

  @Test func emptyAndStrangeWeights() {
    #expect(throws: MethodError.self) { try factorize("svd", Matrix(rows: 0, columns: 3)) }
    #expect(throws: MethodError.self) { try factorize("svd", Matrix(rows: 1, columns: 1, values: [.nan])) }
    let large = Matrix(rows: 8, columns: 8, values: [Float](repeating: 1e12, count: 64))
    #expect(throws: MethodError.self) { try factorize("svd", large) { $0.rank = 1 } }
  }
}
