import PithTensors
import Testing

@testable import PithQuantization

/// Weights that are finite but too large for a float16 scale end in a sentence, also where errors are carried on.
@Suite struct LargeWeightTests {
  @Test(arguments: ["rtn", "hqq", "gptq", "obq", "spqr", "quik"], [1e6, 1e30] as [Float])
  func areNamed(_ name: String, size: Float) throws {
    var weight = Matrix.normal(rows: 6, columns: 64, seed: 1)
    for place in [3, 70, 200] { weight.values[place] = size }
    let seen = InputStatistics.correlated(columns: 64, seed: 2)
    let method = try #require(CompressionMethod.named(name))
    #expect(throws: MethodError.self) {
      try method.quantize(weight, seen, options: method.defaults, on: pool)
    }
  }
}
