import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct HalfQuadraticTests {
  /// The zero points make the mean |error| smaller, which is what the solver watches.
  @Test(arguments: [2, 3, 4])
  func zeroPointsThatNeedNotBeWholeErrLess(bits: Int) throws {
    for seed in UInt64(1)...4 {
      let weight = Matrix.normal(rows: 16, columns: 130, seed: seed)
      let solved = error(weight, try quantized("hqq", weight) { $0.bits = bits }, power: 1)
      let rounded = error(weight, try quantized("rtn", weight) { $0.bits = bits }, power: 1)
      #expect(solved < rounded, "\(solved) against \(rounded)")
    }
  }

  @Test func zeroPointsAreStoredInSixteenBits() throws {
    let weight = Matrix.normal(rows: 4, columns: 128, seed: 1)
    let stored = try quantized("hqq", weight).affine()
    guard case .float16(let zeros) = stored.zeros else { throw WrongStorage() }
    #expect(zeros.count == 4 * 2 * 2)
  }
}
