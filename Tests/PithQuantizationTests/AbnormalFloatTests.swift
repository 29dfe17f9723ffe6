import Foundation
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct AbnormalFloatTests {
  /// AF4-64 as published with arXiv 2306.06965.
  private let published: [Double] = [
    -1, -0.69441008, -0.51243739, -0.3736951, -0.25607552, -0.14982478, -0.04934812, 0, 0.04273164,
    0.12934483,
    0.21961274, 0.31675666, 0.42563882, 0.55496234, 0.72424863, 1,
  ]

  /// E|X − nearest value| for X = w/max|w|, by integration; the atoms at ±1 cost nothing.
  private func expectedError(_ values: [Double], _ density: [Double]) -> Double {
    let steps = density.count
    return density.enumerated().reduce(0) { sum, part in
      let x = (Double(part.offset) + 0.5) / Double(steps)
      let right = values.map { abs($0 - x) }.min()!
      let left = values.map { abs($0 + x) }.min()!
      return sum + part.element * (left + right) / Double(steps)
    }
  }

  private func density(blockSize: Int) -> [Double] {
    let distribution = AbsmaxNormal(blockSize: blockSize)
    return (0..<1000).map { distribution.density((Double($0) + 0.5) / 1000) }
  }

  @Test(arguments: [2, 3, 4, 8, 16, 32, 64, 100, 576, 4096, 49152, 1_000_000])
  func eachValueIsTheMedianOfItsCell(blockSize: Int) {
    let values = AbnormalFloat.values(blockSize: blockSize).map(Double.init)
    #expect(values.count == 16 && values[0] == -1 && values[7] == 0 && values[15] == 1)
    #expect(zip(values, values.dropFirst()).allSatisfy(<))
    let distribution = AbsmaxNormal(blockSize: blockSize)
    func cumulative(_ x: Double) -> Double {
      x < 0 ? -distribution.cumulative(-x) : distribution.cumulative(x)
    }
    for index in 1..<15 where index != 7 {
      let below = cumulative((values[index - 1] + values[index]) / 2)
      let above = cumulative((values[index] + values[index + 1]) / 2)
      #expect(abs(2 * cumulative(values[index]) - below - above) < 1e-6, "value \(index)")
    }
  }

  @Test(arguments: [2, 5, 64, 1024])
  func theDistributionIsThatOfScaledNormalWeights(blockSize: Int) {
    let distribution = AbsmaxNormal(blockSize: blockSize)
    #expect(abs(2 * distribution.cumulative(1) - (1 - 1 / Double(blockSize))) < 1e-6)
    var generator = SeededGenerator(seed: 77)
    let blocks = 100_000 / blockSize
    var counts = [Double](repeating: 0, count: 10)
    for _ in 0..<blocks {
      let block = (0..<blockSize).map { _ in abs(generator.normal()) }
      let largest = block.max()!
      for weight in block where weight < largest { counts[Int(weight / largest * 10)] += 1 }
    }
    for bin in 0..<10 {
      let (low, high) = (Double(bin) / 10, Double(bin + 1) / 10)
      let expected = 2 * (distribution.cumulative(high) - distribution.cumulative(low))
      #expect(abs(counts[bin] / Double(blocks * blockSize) - expected) < 0.01)
    }
  }

  @Test func thePublishedTableMeetsItsConditionsUnderOurDistribution() {
    // It solves each side of 0 with the first cell from 0 on, as if 0 were no value: which checks the
    // distribution against the paper to all its digits.
    let distribution = AbsmaxNormal(blockSize: 64)
    for side in [published[7...].map { $0 }, published[...7].reversed().map { -$0 }] {
      var edge = 0.0
      for index in 1..<(side.count - 1) {
        let next = (side[index] + side[index + 1]) / 2
        let residual =
          2 * distribution.cumulative(side[index]) - distribution.cumulative(edge)
          - distribution.cumulative(next)
        #expect(abs(residual) < 1e-7, "\(residual)")
        edge = next
      }
    }
  }

  @Test func countingZeroAsANeighbourBeatsThePublishedTable() {
    let density = density(blockSize: 64)
    let ours = expectedError(AbnormalFloat.values(blockSize: 64).map(Double.init), density)
    #expect(ours < expectedError(published, density))
  }

  @Test func theExpectedGainOverNormalFloatGrowsWithTheBlock() {
    var last = 0.0
    for blockSize in [64, 128, 256, 512, 1024, 2048, 4096] {
      let density = density(blockSize: blockSize)
      let abnormal = expectedError(AbnormalFloat.values(blockSize: blockSize).map(Double.init), density)
      let gain = 1 - abnormal / expectedError(NormalFloat.values.map(Double.init), density)
      #expect(gain > last, "\(gain) at \(blockSize)")
      last = gain
    }
    #expect(last > 0.05)
  }

  @Test func theMeasuredGainOverNormalFloatGrowsWithTheBlock() throws {
    var last = 0.0
    for blockSize in [64, 256, 1024, 4096] {
      // A row per block, scaled by its largest: the error is that of w/max|w|, which the tables are made for.
      var weight = Matrix.normal(rows: 524_288 / blockSize, columns: blockSize, seed: 41)
      for row in 0..<weight.rows {
        let largest = weight[row: row].map(abs).max()!
        for column in 0..<blockSize { weight[row, column] /= largest }
      }
      let normal = error(weight, try quantized("nf4", weight) { $0.groupSize = blockSize }, power: 1)
      let abnormal = error(weight, try quantized("af4", weight) { $0.groupSize = blockSize }, power: 1)
      let gain = 1 - abnormal / normal
      #expect(gain > last, "\(gain) at \(blockSize)")
      last = gain
    }
  }

  @Test func theTableFollowsTheGroupSizeThatIsUsed() throws {
    let weight = Matrix.normal(rows: 2, columns: 100, seed: 42)
    for (groupSize, used) in [(nil, 100), (1000, 100), (10, 10)] as [(Int?, Int)] {
      let codebook = try quantized("af4", weight) { $0.groupSize = groupSize }.codebook()
      #expect(codebook.tables.array(of: Float.self) == AbnormalFloat.values(blockSize: used))
    }
  }
}
