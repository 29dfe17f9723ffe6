import PithQuantization
import PithTensors
import PithWeights
import Testing

@testable import PithSparsity

@Suite struct PruningTests {
  static let methods = CompressionMethod.sparsity.map(\.name)

  @Test(arguments: [(1, 1), (1, 37), (5, 16), (7, 33), (24, 64)])
  func exactlyTheWantedNumberGoesAlsoAmongEquals(rows: Int, columns: Int) {
    var generator = SeededGenerator(seed: 3)
    // Few values, so that many are equal.
    let scores = Matrix(
      rows: rows, columns: columns,
      values: (0..<(rows * columns)).map { _ in Float(Int.random(in: 0...3, using: &generator)) })
    for share in [0, 0.1, 0.5, 0.9] as [Float] {
      let whole = PruningMask(scores, .share(share), scope: .matrix, on: CorrelatedInputs.pool)
      #expect(whole.keeps.count { !$0 } == PruningMask.count(share, of: rows * columns))
      let kept = zip(scores.values, whole.keeps).filter(\.1).map(\.0).min()!
      let gone = zip(scores.values, whole.keeps).filter { !$0.1 }.map(\.0).max() ?? 0
      #expect(gone <= kept)
      let byRow = PruningMask(scores, .share(share), scope: .row, on: CorrelatedInputs.pool)
      for row in 0..<rows {
        let keeps = byRow.keeps[(row * columns)..<((row + 1) * columns)]
        #expect(keeps.count { !$0 } == PruningMask.count(share, of: columns))
      }
    }
  }

  @Test func theCutoffOfManyMatricesIsThatOfAllTheirWeights() {
    var generator = SeededGenerator(seed: 11)
    let parts = (1...5).map { part in (0..<(part * 97)).map { _ in Float(part) * (generator.uniform() - 0.5) }
    }
    let sorted = parts.flatMap { $0 }.map(\.magnitude).sorted()
    for share in [0, 0.001, 0.3, 0.5, 0.99] as [Float] {
      var cutoff = MagnitudeCutoff()
      for part in parts { cutoff.count(part) }
      cutoff.narrow(to: share)
      for part in parts { cutoff.refine(part) }
      let count = PruningMask.count(share, of: sorted.count)
      let (limit, equal) = cutoff.cutoff
      #expect(sorted.count { $0 < limit.magnitude } + limit.equal == count)
      #expect(count == 0 || sorted.count { $0 == limit.magnitude } == equal)
    }
  }

  @Test func ofEqualWeightsAtTheCutoffOnlySomeGo() throws {
    let method = try #require(CompressionMethod.sparsity.first { $0.name == "magnitude" })
    var options = method.defaults
    (options.scope, options.cutoff) = (.model, .init(magnitude: 0.25, equal: 30))
    let weight = Matrix(
      rows: 8, columns: 16, values: (0..<128).map { $0 % 8 == 0 ? 0.125 : $0 % 2 == 0 ? 0.25 : -0.25 })
    let pruned = try method.quantize(weight, nil, options: options, on: CorrelatedInputs.pool).matrix
      .decoded()
    #expect(pruned.values.count { $0 == 0 } == 16 + 30)
    #expect(zip(weight.values, pruned.values).allSatisfy { $1 == 0 || $1 == $0 })
    // A matrix that loses next to nothing stays dense, since nobody chose that.
    options.cutoff = .init(magnitude: 0.125, equal: 3)
    let dense = try method.quantize(weight, nil, options: options, on: CorrelatedInputs.pool).matrix
    guard case .dense = dense else { throw WrongStorage() }
    #expect(dense.decoded().values.count { $0 == 0 } == 3)
  }

  @Test func wholeBlocksOfASweepAddUpToTheWantedShare() throws {
    // Each 128 columns of the sweep have four blocks, of which no number is a share of 0.6.
    let inputs = CorrelatedInputs(rows: 32, columns: 640, seed: 13)
    let (_, result) = try inputs.run("sparsegpt") {
      ($0.sparsity, $0.block) = (.share(0.6), BlockShape(rows: 32, columns: 32))
    }
    guard case .masked(let masked) = result.matrix else { throw WrongStorage() }
    #expect(masked.count == 8 * 32 * 32)
    #expect(result.notes.isEmpty)
  }

  @Test func anotherShareThanTheWantedOneIsSaid() throws {
    let inputs = CorrelatedInputs(rows: 32, columns: 64, seed: 14)
    let (_, result) = try inputs.run("magnitude") {
      ($0.sparsity, $0.block) = (.share(0.6), BlockShape(rows: 32, columns: 32))
    }
    #expect(result.notes == [.otherShare(0.5, wanted: 0.6)])
    #expect(result.notes[0].description.hasPrefix("50.0% of the weights are removed, not 60.0%"))
  }

  @Test(arguments: methods.filter { $0 != "obc" }, [(2, 4), (4, 8), (1, 4), (3, 4)])
  func patternsHoldInEveryRunAndTheRestStaysDense(name: String, pattern: (Int, Int)) throws {
    let inputs = CorrelatedInputs(rows: 9, columns: 53, seed: 4)
    let (_, result) = try inputs.run(name) { $0.sparsity = .pattern(zeros: pattern.0, of: pattern.1) }
    let decoded = result.matrix.decoded()
    let whole = 53 / pattern.1 * pattern.1
    for row in 0..<9 {
      for start in stride(from: 0, to: whole, by: pattern.1) {
        #expect((start..<(start + pattern.1)).count { decoded[row, $0] == 0 } == pattern.0)
      }
      #expect((whole..<53).allSatisfy { decoded[row, $0] != 0 })
    }
    #expect(result.notes.contains(.denseColumns(53 - whole)))
  }

  @Test(arguments: methods.filter { $0 != "obc" }, ["1x8", "4x8", "8x32"])
  func blocksGoWhole(name: String, text: String) throws {
    let inputs = CorrelatedInputs(rows: 18, columns: 160, seed: 12)
    let block = try #require(BlockShape(text))
    for bits in [16, 4] {
      let (_, result) = try inputs.run(name) {
        ($0.sparsity, $0.block, $0.bits) = (.share(0.6), block, bits)
        if bits < 16 { $0.groupSize = 32 }
      }
      guard case .masked(let masked) = result.matrix else { throw WrongStorage() }
      guard case .blocks(block, _) = masked.positions else { throw WrongStorage() }
      let share = Double(masked.count) / (18 * 160)
      #expect(share > 0.2 && share < 0.6, "\(share)")
    }
  }

  @Test func blocksWithTheLeastMeanGo() {
    let scores = Matrix(
      rows: 3, columns: 5, values: [1, 1, 9, 9, 5, 1, 1, 9, 9, 5, 4, 4, 2, 2, 0].map(Float.init))
    let mask = PruningMask(
      scores, .share(0.5), scope: .matrix, block: BlockShape(rows: 2, columns: 2)!, on: CorrelatedInputs.pool)
    // Blocks of means 1, 9, 5 above 4, 2, 0: three of six go.
    #expect(mask.keeps.map { $0 ? 1 : 0 } == [0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0])
  }

  @Test(arguments: [Sparsity.share(0.5), .pattern(zeros: 2, of: 4)])
  func sparseGPTLosesLessThanWandaAndThatLessThanMagnitude(sparsity: Sparsity) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      let inputs = CorrelatedInputs(rows: 48, columns: 192, seed: seed)
      func loss(_ name: String) throws -> Double { try inputs.run(name) { $0.sparsity = sparsity }.loss }
      let (magnitude, wanda, sparseGPT) = try (loss("magnitude"), loss("wanda"), loss("sparsegpt"))
      #expect(wanda < magnitude && sparseGPT < 0.65 * wanda, "\(sparseGPT), \(wanda), \(magnitude)")
    }
  }

  @Test func exactRemovalLosesNoMoreThanTheSweep() throws {
    let inputs = CorrelatedInputs(rows: 12, columns: 48, seed: 5)
    let (exact, sweep) = try (inputs.run("obc").loss, inputs.run("sparsegpt").loss)
    #expect(exact < sweep, "\(exact), \(sweep)")
  }

  @Test func blocksOfDifferentSharesStillLoseAboutAsManyInAll() throws {
    let inputs = CorrelatedInputs(rows: 32, columns: 400, seed: 6)
    let result = try inputs.run("sparsegpt") { $0.dynamic = true }.result
    guard case .masked(let masked) = result.matrix else { throw WrongStorage() }
    #expect(abs(Double(masked.count) / Double(32 * 400) - 0.5) < 0.08)
  }

  @Test(arguments: [(8, MethodOptions.Grid.affine), (4, .affine), (4, .nf4), (4, .af4)])
  func quantizingInTheSamePassLosesLessThanAfterwards(bits: Int, grid: MethodOptions.Grid) throws {
    let inputs = CorrelatedInputs(rows: 32, columns: 192, seed: 7)
    let (loss, result) = try inputs.run("sparsegpt") { ($0.bits, $0.grid) = (bits, grid) }
    guard case .masked(let masked) = result.matrix else { throw WrongStorage() }
    #expect(masked.count == 32 * 96)
    // A bit per weight, half of the weights' bits, a scale for each 64 columns, perhaps a table.
    #expect(result.matrix.byteCount == 32 * 192 / 8 + 32 * 96 * bits / 8 + 32 * 3 * 2 + (bits == 4 ? 64 : 0))
    var pruned = try inputs.run("sparsegpt").result.matrix.decoded()
    let method = try #require(CompressionMethod.sparsity.first { $0.name == "magnitude" })
    var options = method.defaults
    (options.bits, options.grid) = (bits, grid)
    pruned = try method.quantize(pruned, nil, options: options, on: CorrelatedInputs.pool).matrix.decoded()
    let afterwards = inputs.statistics.relativeLoss(of: pruned, to: inputs.weight)
    #expect(loss < afterwards * 1.01, "\(loss), \(afterwards)")
  }

  @Test(arguments: methods)
  func theThreadsDoNotMatter(name: String) throws {
    let inputs = CorrelatedInputs(rows: 20, columns: 40, seed: 8)
    let method = try #require(CompressionMethod.sparsity.first { $0.name == name })
    let results = try [1, 2, 3].map { threads in
      try method.quantize(
        inputs.weight, inputs.statistics, options: method.defaults, on: ThreadPool(threads: threads)
      ).matrix.tensors
    }
    #expect(results[1] == results[0] && results[2] == results[0])
  }

  @Test func whatWouldBeLargerThanDenseIsRefused() throws {
    let inputs = CorrelatedInputs(rows: 16, columns: 64, seed: 9)
    #expect(throws: MethodError.self) { try inputs.run("magnitude") { $0.sparsity = .share(0.05) } }
    #expect(throws: MethodError.self) {
      try inputs.run("magnitude") { ($0.sparsity, $0.bits) = (.share(0.2), 4) }
    }
    _ = try inputs.run("magnitude") { $0.sparsity = .share(0.1) }
  }

  @Test func optionsThatCannotBeAreNamed() throws {
    let inputs = CorrelatedInputs(rows: 4, columns: 32, seed: 10)
    let cases: [(String, MethodError, (inout MethodOptions) -> Void)] = [
      ("magnitude", .bits(5, allowed: [4, 8, 16], method: "magnitude"), { $0.bits = 5 }),
      ("magnitude", .gridBits(16, grid: "nf4"), { $0.grid = .nf4 }),
      ("magnitude", .unusedOption(.groupSize, method: "16 bits"), { $0.groupSize = 32 }),
      ("wanda", .unusedOption(.rangeSearch, method: "16 bits"), { $0.rangeSearch = .squaredError }),
      (
        "sparsegpt", .blockAcrossGroups(32, groupSize: 48),
        { ($0.bits, $0.groupSize, $0.block) = (4, 48, BlockShape(rows: 1, columns: 32)) }
      ),
      ("magnitude", .survivorGroups(24), { ($0.bits, $0.groupSize) = (4, 24) }),
      (
        "sparsegpt", .patternAcrossGroups(3, groupSize: 16),
        { ($0.bits, $0.groupSize, $0.sparsity) = (4, 16, .pattern(zeros: 1, of: 3)) }
      ),
      (
        "wanda", .blocksElsewhere,
        { ($0.sparsity, $0.block) = (.pattern(zeros: 2, of: 4), BlockShape(rows: 1, columns: 8)) }
      ),
      ("magnitude", .blocksElsewhere, { ($0.scope, $0.block) = (.model, BlockShape(rows: 1, columns: 8)) }),
      ("obc", .patternless(method: "obc"), { $0.sparsity = .pattern(zeros: 2, of: 4) }),
    ]
    for (name, error, change) in cases {
      #expect(throws: error) { try inputs.run(name, change) }
    }
    for text in ["1", "-0.1", "nan", "4:4", "5:4", "2:", "2:4:8", "x", "2:1000"] {
      #expect(Sparsity(text) == nil, "\(text)")
    }
  }

  struct WrongStorage: Error {}
}
