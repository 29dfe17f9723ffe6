import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct QUIKTests {
  /// Outputs with both sides quantized: keeping the columns of large inputs apart is worth its bytes.
  @Test func outliersApartMakeOutputsBetterThanPlainFourBits() throws {
    let weight = Matrix.normal(rows: 24, columns: 88, seed: 1)
    let x = Matrix.correlated(rows: 60, columns: 88, seed: 2)
    let exact = StoredMatrix.dense(Dense(weight)).multiply(x, on: pool)
    func error(_ stored: StoredMatrix) -> Double {
      zip(stored.multiply(x, on: pool).values, exact.values).reduce(0) {
        $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1))
      }
    }
    let plain = try run(weight, outliers: 0)
    let apart = try run(weight, outliers: 0.1)
    #expect(error(apart) < 0.2 * error(plain), "\(error(apart)) against \(error(plain))")
    guard case .transformed(let outer) = apart, case .split(let split) = outer.inner else {
      throw WrongStorage()
    }
    #expect(split.parts.map(\.columns) == [79, 9])
  }

  @Test func eightBitsMultiplyEightBitActivations() throws {
    guard
      case .integer(let product) = try run(Matrix.normal(rows: 3, columns: 20, seed: 1), outliers: 0, bits: 8)
    else { throw WrongStorage() }
    #expect(product.activations == .int8 && product.bits == 8)
  }

  private func run(_ weight: Matrix, outliers: Float, bits: Int = 4) throws -> StoredMatrix {
    let method = try #require(CompressionMethod.named("quik"))
    var options = method.defaults
    (options.outlierShare, options.bits) = (outliers, bits)
    let seen = InputStatistics.correlated(columns: weight.columns, seed: 7)
    return try method.quantize(weight, seen, options: options, on: pool).matrix
  }
}
