import PithLinearAlgebra
import PithQuantization
import PithTensors
import Testing

@testable import PithSparsity

@Suite struct OptimalBrainSurgeonTests {
  /// H of some correlated inputs, and a weight.
  private func problem(_ size: Int, seed: UInt64) -> (h: SymmetricMatrix, weights: [Double]) {
    let inputs = CorrelatedInputs(rows: 1, columns: size, seed: seed)
    var h = SymmetricMatrix(inputs.statistics.hessian)
    for i in 0..<size { h[i, i] += 0.01 }
    return (h, inputs.weight.values.map(Double.init))
  }

  /// δᵀHδ/2.
  private func loss(_ h: SymmetricMatrix, _ before: [Double], _ after: [Double]) -> Double {
    let change = zip(before, after).map { $1 - $0 }
    return change.indices.reduce(0.0) { sum, i in
      sum + change[i] * change.indices.reduce(0.0) { $0 + h[i, $1] * change[$1] } / 2
    }
  }

  /// The best weights of which some are 0, by the normal equations of the others.
  private func best(_ h: SymmetricMatrix, _ weights: [Double], without removed: Set<Int>) throws -> [Double] {
    let left = weights.indices.filter { !removed.contains($0) }
    let sub = SymmetricMatrix(size: left.count, values: left.flatMap { i in left.map { h[i, $0] } })
    let inverse = try #require(sub.cholesky()).inverse()
    var result = weights
    for p in removed { result[p] = 0 }
    // H_rr·δ_r = H_rp·w_p
    let right = left.map { i in removed.reduce(0.0) { $0 + h[i, $1] * weights[$1] } }
    for (a, i) in left.enumerated() {
      result[i] += left.indices.reduce(0.0) { $0 + inverse[a, $1] * right[$1] }
    }
    return result
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func oneRemovalIsThatOfBruteForce(seed: UInt64) throws {
    let (h, weights) = problem(9, seed: seed)
    let inverse = try #require(h.cholesky()).inverse()
    var surgeon = OptimalBrainSurgeon(weights, inverse: inverse)
    let first = surgeon.removeLeast()
    let removed = try #require(first)
    let all = try weights.indices.map { try best(h, weights, without: [$0]) }
    let losses = all.map { loss(h, weights, $0) }
    let least = losses.indices.min { losses[$0] < losses[$1] }!
    #expect(removed.weight == least)
    #expect(abs(removed.loss - losses[least]) < 1e-9 * losses[least])
    for (a, b) in zip(surgeon.weights, all[least]) { #expect(abs(a - b) < 1e-9) }
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func everyRemovalCostsWhatItForetellsAndLeavesTheBestOfWhatIsLeft(seed: UInt64) throws {
    let (h, weights) = problem(24, seed: seed)
    let inverse = try #require(h.cholesky()).inverse()
    var surgeon = OptimalBrainSurgeon(weights, inverse: inverse)
    var (foretold, gone) = (0.0, Set<Int>())
    while surgeon.left.count > 1, let removed = surgeon.removeLeast() {
      foretold += removed.loss
      gone.insert(removed.weight)
      let actual = loss(h, weights, surgeon.weights)
      #expect(abs(actual - foretold) < 1e-6 * foretold)
      for (a, b) in zip(surgeon.weights, try best(h, weights, without: gone)) { #expect(abs(a - b) < 1e-6) }
    }
  }

  @Test func nothingIsLeftInTheEnd() throws {
    let (h, weights) = problem(5, seed: 1)
    let inverse = try #require(h.cholesky()).inverse()
    var surgeon = OptimalBrainSurgeon(weights, inverse: inverse)
    for _ in 0..<5 { _ = surgeon.removeLeast() }
    let none = surgeon.removeLeast()
    #expect(none == nil && surgeon.weights.allSatisfy { $0 == 0 })
  }
}
