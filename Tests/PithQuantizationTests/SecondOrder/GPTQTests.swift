import PithLinearAlgebra
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct GPTQTests {
  @Test(arguments: [2, 3, 4, 8], [nil, 16, 33] as [Int?])
  func gptqLosesLessThanRoundingOnEveryLayer(bits: Int, groupSize: Int?) throws {
    for seed in UInt64(1)...4 {
      let weight = Matrix.normal(rows: 20, columns: 70, seed: seed)
      let seen = InputStatistics.correlated(columns: 70, seed: seed + 100)
      let loss = try loss("gptq", weight, seen) { ($0.bits, $0.groupSize) = (bits, groupSize) }
      let rounding = try self.loss("rtn", weight, seen) { ($0.bits, $0.groupSize) = (bits, groupSize) }
      #expect(loss < rounding, "\(loss) against \(rounding)")
    }
  }

  /// With one grid per row the two methods see the same grids: the sweep is OBQ in a fixed order.
  @Test(arguments: [1, 5, 24])
  func gptqIsOBQInTheSameOrder(columns: Int) throws {
    for seed in UInt64(1)...6 {
      let weight = Matrix.normal(rows: 7, columns: columns, seed: seed)
      let seen = InputStatistics.correlated(columns: columns, seed: seed + 50)
      let options = MethodOptions(bits: 4)
      let swept = try GPTQ.quantize(weight, seen, options, pool).matrix.affine()
      let factor = try InverseFactor(seen, order: Array(0..<columns), damping: 0.01)
      let fit = AffineFit(bits: 4, symmetric: false, range: .minMax)
      for row in 0..<weight.rows {
        let expected = weight.values[(row * columns)..<((row + 1) * columns)].withContiguousStorageIfAvailable
        {
          weights in
          let grid = fit.fit(weights)
          return OptimalBrainQuantization.codes(
            of: weights, inverse: factor.inverse, order: Array(0..<columns)
          ) { _ in grid }
        }
        let codes = Packing.unpack(swept.codes, rows: 7, columns: columns, bits: 4)
        #expect(Array(codes[(row * columns)..<((row + 1) * columns)]) == expected)
      }
    }
  }

  @Test func obqLosesLessThanRoundingAndNoMoreThanGPTQ() throws {
    var (greedy, fixed, rounding) = (0.0, 0.0, 0.0)
    for seed in UInt64(1)...10 {
      let weight = Matrix.normal(rows: 8, columns: 32, seed: seed)
      let seen = InputStatistics.correlated(columns: 32, seed: seed + 70, outliers: false)
      greedy += try loss("obq", weight, seen) { $0.groupSize = nil }
      fixed += try loss("gptq", weight, seen) { ($0.groupSize, $0.actOrder) = (nil, .none) }
      rounding += try loss("rtn", weight, seen) { $0.groupSize = nil }
    }
    #expect(greedy < fixed && greedy < 0.7 * rounding, "\(greedy), \(fixed), \(rounding)")
  }

  /// The weights that are left after one is quantized are those of least loss: least squares by brute force.
  @Test func theRestOfARowMakesUpForAnErrorAsWellAsItCan() throws {
    let seen = InputStatistics.correlated(columns: 3, seed: 8)
    let factor = try InverseFactor(seen, order: [0, 1, 2], damping: 0)
    let h = SymmetricMatrix(seen.hessian)
    // Column 0 moves by d: the best moves of the others solve H_rr·x = −H_r0·d.
    let d = -0.11
    let rest = SymmetricMatrix(size: 2, values: [h[1, 1], h[1, 2], h[2, 1], h[2, 2]])
    let solver = try #require(rest.cholesky()).inverse()
    let best = [0, 1].map { -(solver[$0, 0] * h[1, 0] + solver[$0, 1] * h[2, 0]) * d }
    let inverse = factor.inverse
    for j in 1...2 { #expect(abs(inverse[j, 0] / inverse[0, 0] * d - best[j - 1]) < 1e-5) }
  }

  @Test(arguments: [ActivationOrder.static, .stored])
  func anOrderByActivationHelpsWhereInputsDiffer(order: ActivationOrder) throws {
    var (ordered, plain) = (0.0, 0.0)
    for seed in UInt64(1)...6 {
      let weight = Matrix.normal(rows: 16, columns: 96, seed: seed)
      let seen = InputStatistics.correlated(columns: 96, seed: seed + 20)
      ordered += try loss("gptq", weight, seen) { ($0.bits, $0.groupSize, $0.actOrder) = (3, 32, order) }
      plain += try loss("gptq", weight, seen) { ($0.bits, $0.groupSize, $0.actOrder) = (3, 32, .none) }
    }
    #expect(ordered < plain, "\(ordered) against \(plain)")
  }

  @Test func aStoredOrderIsCounted() throws {
    let weight = Matrix.normal(rows: 16, columns: 96, seed: 1)
    let plain = try quantized("gptq", weight)
    let stored = try quantized("gptq", weight) { $0.actOrder = .stored }
    #expect(stored.byteCount == plain.byteCount + 2 * 96)
  }

  @Test(arguments: ["nf4", "af4"])
  func tablesServeAsGridsAndLoseLessThanAlone(table: String) throws {
    for seed in UInt64(1)...3 {
      let weight = Matrix.normal(rows: 12, columns: 80, seed: seed)
      let seen = InputStatistics.correlated(columns: 80, seed: seed + 30)
      let swept = try loss("gptq", weight, seen) {
        ($0.groupSize, $0.grid) = (16, MethodOptions.Grid(rawValue: table)!)
      }
      let alone = try loss(table, weight, seen) { $0.groupSize = 16 }
      #expect(swept < alone, "\(swept) against \(alone)")
    }
  }

  @Test func deadColumnsBecomeZeroAndAreNoted() throws {
    var x = Matrix.correlated(rows: 64, columns: 12, seed: 1)
    for row in 0..<64 { for column in [0, 7] { x[row, column] = 0 } }
    var observer = InputObserver(columns: 12)
    observer.add(x)
    let method = try #require(CompressionMethod.named("gptq"))
    let result = try method.quantize(
      Matrix.normal(rows: 3, columns: 12, seed: 2), observer.statistics, options: method.defaults, on: pool)
    #expect(result.notes == [.deadColumns(2)])
    let decoded = result.matrix.decoded()
    for row in 0..<3 { #expect(decoded[row, 0] == 0 && decoded[row, 7] == 0) }
  }

  /// Fewer rows than columns: H has no inverse until something is added to its diagonal.
  /// A dead column among small inputs must not count as a large one: nothing changes for the others.
  @Test(arguments: ["gptq", "spqr", "quik"]) func smallInputsBesideADeadColumnLoseNoMore(name: String) throws
  {
    let weight = Matrix.normal(rows: 12, columns: 24, seed: 31)
    func codes(scale: Float) throws -> Matrix {
      var seen = InputStatistics.correlated(columns: 24, seed: 32)
      for row in 0..<24 {
        for column in 0..<24 {
          let isDead = row == 7 || column == 7
          seen.hessian[row, column] *= isDead ? 0 : scale
        }
      }
      let method = try #require(CompressionMethod.named(name))
      return try method.quantize(weight, seen, options: method.defaults, on: pool).matrix.decoded()
    }
    let (small, plain) = (try codes(scale: 0x1p-20), try codes(scale: 1))
    #expect(small == plain)
  }

  @Test func raisedDampingIsNoted() throws {
    let seen = InputStatistics.correlated(columns: 20, seed: 4, rows: 5)
    let method = try #require(CompressionMethod.named("gptq"))
    var options = method.defaults
    options.damping = 0
    let result = try method.quantize(
      Matrix.normal(rows: 3, columns: 20, seed: 2), seen, options: options, on: pool)
    guard case .raisedDamping(let share)? = result.notes.first else {
      Issue.record("no note")
      return
    }
    #expect(share > 0 && share < 1)
  }

  @Test func statisticsThatAreNotFiniteAreRefused() throws {
    var seen = InputStatistics.correlated(columns: 8, seed: 4)
    seen.hessian[2, 2] = .infinity
    #expect(throws: MethodError.notFactored) {
      try GPTQ.quantize(Matrix.normal(rows: 2, columns: 8, seed: 1), seen, MethodOptions(), pool)
    }
  }

  @Test func withoutStatisticsTheMethodSaysWhatItNeeds() throws {
    let method = try #require(CompressionMethod.named("gptq"))
    #expect(throws: MethodError.noStatistics(method: "gptq")) {
      try method.quantize(Matrix.normal(rows: 2, columns: 8, seed: 1), options: method.defaults, on: pool)
    }
  }

  /// The layer loss relative to that of nothing.
  private func loss(
    _ name: String, _ weight: Matrix, _ seen: InputStatistics, _ change: (inout MethodOptions) -> Void
  ) throws -> Double {
    let method = try #require(CompressionMethod.named(name))
    var options = method.defaults
    options.rangeSearch = .minMax
    change(&options)
    let stored = try method.quantize(weight, seen, options: options, on: pool).matrix
    return seen.relativeLoss(of: stored.decoded(), to: weight)
  }
}
