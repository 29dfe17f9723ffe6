import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTestSupport
import PithWeights
import Testing

@testable import PithTraining

struct GradualCompressionTests {
  let pool = ThreadPool(threads: 2)

  // MARK: - What is drawn, and its gradients

  @Test(arguments: [Float(-4), -1.5, 0, 1.2, 4])
  func asManyGatesAreOpenAsExpected(_ logAlpha: Float) {
    var random = SeededGenerator(seed: UInt64(10 + logAlpha))
    let count = 40_000
    var open = 0
    for _ in 0..<count {
      let u = Double(random.uniform()) + 0x1p-25
      if HardConcrete.sample(logAlpha, noise: Float(Elementary.log(u / (1 - u)))).gate > 0 { open += 1 }
    }
    let p = Double(HardConcrete.open(logAlpha).probability)
    let deviation = (p * (1 - p) / Double(count)).squareRoot()
    #expect(abs(Double(open) / Double(count) - p) < 4 * deviation + 1e-9, "\(open) of \(count) and \(p)")
  }

  /// Of whole grids, whose gates differ and are drawn row by row.
  @Test(arguments: [(1, 1), (1, 4), (6, 1), (6, 4), (4, 3)])
  func asManyBlocksAreOpenAsExpected(_ rows: Int, _ columns: Int) {
    let grid = GateGrid(blockRows: rows, blockColumns: columns)
    let ones = Matrix(rows: 31, columns: 21, values: [Float](repeating: 1, count: 31 * 21))
    var factors = grid.factors(of: ones)
    var random = SeededGenerator(seed: 3)
    for index in factors[1].values.indices { factors[1].values[index] = 3 * random.normal() }
    let probabilities = factors[1].values.map { Double(HardConcrete.open($0).probability) }
    #expect(factors[1].rows == (31 + rows - 1) / rows && factors[1].columns == (21 + columns - 1) / columns)
    let draws = 400
    var open = 0
    for seed in 0..<draws {
      let weight = grid.weight(factors, noise: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15, on: pool)
      for row in stride(from: 0, to: 31, by: rows) {
        for column in stride(from: 0, to: 21, by: columns) where weight[row, column] > 0 { open += 1 }
      }
    }
    let expected = probabilities.reduce(0, +)
    let deviation = (probabilities.reduce(0) { $0 + $1 * (1 - $1) } / Double(draws)).squareRoot()
    let observed = Double(open) / Double(draws)
    #expect(abs(observed - expected) < 4 * deviation, "\(observed) of \(expected) ± \(deviation)")
  }

  @Test func slopesOfGatesAreTheirDerivatives() {
    let h: Float = 1e-2
    for logAlpha: Float in [-3, -0.7, 0.4, 2.5] {
      let open =
        (HardConcrete.open(logAlpha + h).probability - HardConcrete.open(logAlpha - h).probability) / (2 * h)
      #expect(abs(open - HardConcrete.open(logAlpha).slope) < 1e-4)
      for noise: Float in [-1, 0.3, 2] {
        let sample = HardConcrete.sample(logAlpha, noise: noise)
        guard sample.slope > 0 else { continue }
        let moved =
          HardConcrete.sample(logAlpha + h, noise: noise).gate
          - HardConcrete.sample(logAlpha - h, noise: noise).gate
        #expect(abs(moved / (2 * h) - sample.slope) < 1e-3, "at \(logAlpha) and \(noise)")
      }
    }
  }

  /// Blocks of one weight, of columns, of some columns, and of all; sizes that do not divide.
  @Test(arguments: [(1, 1), (5, 1), (5, 3), (5, 7), (2, 3)])
  func gatesCarryGradientsBack(_ rows: Int, _ columns: Int) {
    var random = SeededGenerator(seed: 4)
    func matrix(_ rows: Int, _ columns: Int) -> Matrix {
      Matrix(rows: rows, columns: columns, values: (0..<(rows * columns)).map { _ in random.normal() })
    }
    let grid = GateGrid(blockRows: rows, blockColumns: columns)
    var factors = grid.factors(of: matrix(5, 7))
    factors[1] = matrix(factors[1].rows, factors[1].columns)
    let direction = matrix(5, 7)
    func loss(_ factors: [Matrix]) -> Double {
      zip(grid.weight(factors, noise: 9, on: pool).values, direction.values).reduce(0) {
        $0 + Double($1.0) * Double($1.1)
      }
    }
    var gradients = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
    grid.carryBack(direction, factors, noise: 9, into: &gradients, on: pool)
    for factor in 0..<2 {
      for index in factors[factor].values.indices {
        var (up, down) = (factors, factors)
        up[factor].values[index] += 1e-3
        down[factor].values[index] -= 1e-3
        let slope = (loss(up) - loss(down)) / 2e-3
        #expect(abs(slope - Double(gradients[factor].values[index])) < 2e-2, "\(factor) \(index)")
      }
    }
  }

  @Test func noiseAtOutputsIsThatOfTheWeights() {
    var random = SeededGenerator(seed: 6)
    let x = Matrix(rows: 1, columns: 6, values: (0..<6).map { _ in random.normal() })
    let variance = Matrix(rows: 3, columns: 6, values: (0..<18).map { _ in random.uniform() })
    var squares = [Double](repeating: 0, count: 3)
    let count = 4000
    for seed in 0..<count {
      let noise = LocalReparametrization(x, variance: variance, seed: UInt64(seed) &* 977, on: pool).value
      for output in 0..<3 { squares[output] += Double(noise[0, output]) * Double(noise[0, output]) }
    }
    for output in 0..<3 {
      let expected = (0..<6).reduce(0.0) {
        $0 + Double(x[0, $1] * x[0, $1]) * Double(variance[output, $1])
      }
      // The variance of a square of normal values is 2σ⁴.
      #expect(
        abs(squares[output] / Double(count) - expected) < 4 * expected * (2 / Double(count)).squareRoot())
    }
  }

  @Test func noiseCarriesGradientsBack() {
    var random = SeededGenerator(seed: 16)
    func matrix(_ rows: Int, _ columns: Int) -> Matrix {
      Matrix(rows: rows, columns: columns, values: (0..<(rows * columns)).map { _ in random.normal() })
    }
    let (x, logVariance, direction) = (matrix(4, 5), matrix(3, 5), matrix(4, 3))
    func noise(_ x: Matrix, _ logVariance: Matrix) -> LocalReparametrization {
      LocalReparametrization(x, variance: logVariance.exponential(on: pool), seed: 3, on: pool)
    }
    func loss(_ x: Matrix, _ logVariance: Matrix) -> Double {
      zip(noise(x, logVariance).value.values, direction.values).reduce(0) { $0 + Double($1.0 * $1.1) }
    }
    let (dx, dlogVariance) = noise(x, logVariance).carryBack(direction, on: pool)
    for index in x.values.indices {
      var (up, down) = (x, x)
      up.values[index] += 1e-2
      down.values[index] -= 1e-2
      #expect(abs((loss(up, logVariance) - loss(down, logVariance)) / 2e-2 - Double(dx.values[index])) < 5e-2)
    }
    for index in logVariance.values.indices {
      var (up, down) = (logVariance, logVariance)
      up.values[index] += 1e-2
      down.values[index] -= 1e-2
      #expect(abs((loss(x, up) - loss(x, down)) / 2e-2 - Double(dlogVariance.values[index])) < 5e-2)
    }
  }

  @Test func thePullOfTheNoiseIsTheDerivativeOfTheDivergence() {
    /// Molchanov et al., equation 14.
    func negative(_ logAlpha: Double) -> Double {
      0.63576 / (1 + Elementary.exp(-(1.87320 + 1.48695 * logAlpha)))
        - 0.5 * Elementary.log(1 + Elementary.exp(-logAlpha)) - 0.63576
    }
    for logAlpha in stride(from: -8.0, through: 6, by: 0.5) {
      let slope = (negative(logAlpha + 1e-4) - negative(logAlpha - 1e-4)) / 2e-4
      #expect(abs(slope - Double(VariationalDropout.slope(Float(logAlpha)))) < 1e-5)
    }
  }

  // MARK: - Trainings

  private func recipe(_ folder: TrainingRunTests.Folder, _ sparsity: String, steps: Int = 60) throws
    -> TrainingRecipe
  {
    try folder.recipe(
      "layers: 2, width: 32, heads: 4, feed-forward: 48, context: 32", steps: steps, "sparsity: \(sparsity)")
  }

  private func layers(_ path: String) throws -> [Linear] {
    guard case .decoder(let decoder) = try Checkpoint(path: path).model() else { return [] }
    return decoder.maps.filter { $0.place.layer != nil }
  }

  @Test(arguments: ["cubic", "even", "once"])
  func theWeightsNearestToZeroGoWhileTheOthersLearn(_ schedule: String) throws {
    let folder = try TrainingRunTests.Folder()
    let output = folder.path + "/sparse"
    var shares: [Double] = []
    let report = try TrainingRun(
      recipe(folder, "{method: magnitude, target: 80%, schedule: \(schedule), every: 5}"), output: output,
      pool: pool
    ).train { shares.append($0.compressed ?? -1) }
    #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(schedule == "once" ? shares[0] > 0.79 : shares[0] == 0)
    #expect(shares[45] > 0.79 && abs(shares[59] - 0.8) < 0.001)
    #expect(report.heldOut.loss < 2.2)
    for map in try layers(output) {
      guard case .masked(let masked) = map.weight else {
        Issue.record("\(map.place) is whole")
        continue
      }
      let count = map.weight.rows * map.weight.columns
      #expect(masked.count <= count - Int((0.8 * Double(count)).rounded()))
    }
    try expect(report.heldOut.loss, of: output, folder)
  }

  @Test func layersBecomeIntegersOneAfterTheOther() throws {
    let folder = try TrainingRunTests.Folder()
    let output = folder.path + "/integers"
    var recipe = try recipe(folder, "{target: 0.5}")
    var quantization = TrainingRecipe.Quantization()
    (quantization.bits, quantization.groupSize, quantization.until) = (3, 16, 0.5)
    recipe.compression = .quantization(quantization)
    var shares: [Double] = []
    let report = try TrainingRun(recipe, output: output, pool: pool).train {
      shares.append($0.compressed ?? -1)
    }
    #expect(shares[14] == 0 && shares[15] == 0.5 && shares[30] == 1)
    #expect(report.heldOut.loss < 2.2)
    for map in try layers(output) {
      guard case .affine(let affine) = map.weight else {
        Issue.record("\(map.place) is not of integers")
        continue
      }
      #expect(affine.bits == 3 && affine.groupSize == 16)
    }
    try expect(report.heldOut.loss, of: output, folder)
  }

  /// What is measured in training is what is written.
  private func expect(_ measured: Double, of path: String, _ folder: TrainingRunTests.Folder) throws {
    guard case .decoder(let decoder) = try Checkpoint(path: path).model() else {
      Issue.record("no decoder")
      return
    }
    let tokens = try String(contentsOfFile: folder.path + "/text.txt", encoding: .utf8).utf8.map { Int32($0) }
    let parts = try #require(TokenWindows(tokens, heldOut: 0.1, window: 16)).heldOutParts(windows: 256)
    let loss =
      parts.reduce(0) { $0 + decoder.loss($1, pool: pool) * Double($1.targets.count) }
      / Double(parts.reduce(0) { $0 + $1.targets.count })
    #expect(abs(loss - measured) < 1e-4, "\(loss) and \(measured)")
  }

  private struct Stopped: Error {}

  @Test(arguments: [
    "{method: magnitude, target: 0.6, every: 3}", "{method: l0, of: neurons, target: 0.3}",
    "{method: l0, target: 0.3}", "{method: variational, target: 0.2}",
    "quantization",
  ])
  func whatGoesOnEndsInTheSameBytes(_ sparsity: String) throws {
    let folder = try TrainingRunTests.Folder()
    let isQuantized = sparsity == "quantization"
    var recipe = try recipe(folder, isQuantized ? "{target: 0.1}" : sparsity, steps: 200)
    if isQuantized { recipe.compression = .quantization(.init()) }
    let (whole, parts) = (folder.path + "/whole", folder.path + "/parts")
    _ = try TrainingRun(recipe, output: whole, pool: pool).train()
    for stop in [48, 133] {
      #expect(throws: Stopped.self) {
        try TrainingRun(recipe, output: parts, pool: ThreadPool(threads: 1))
          .train(resume: true, keepEvery: 7) { if $0.step == stop { throw Stopped() } }
      }
    }
    _ = try TrainingRun(recipe, output: parts, pool: pool).train(resume: true)
    let files = [whole, parts].map { FileManager.default.contents(atPath: $0 + "/model.safetensors") }
    #expect(files[0] != nil && files[0] == files[1])
  }

  /// Gates of a decoder's parts; what only feeds a closed one is not stored either.
  @Test(arguments: ["neurons", "heads", "layers", "weights"])
  func gatesCloseAsManyAsIsWanted(_ unit: String) throws {
    let folder = try TrainingRunTests.Folder()
    let output = folder.path + "/gated"
    let report = try TrainingRun(
      recipe(folder, "{method: l0, of: \(unit), target: 0.5}", steps: 400), output: output, pool: pool
    ).train()
    #expect(report.heldOut.loss < 2.2, "\(report.heldOut.loss)")
    try expect(report.heldOut.loss, of: output, folder)
    let maps = try layers(output)
    func zeros(_ map: Linear) -> Int { map.weight.decoded().values.count { $0 == 0 } }
    func share(_ role: Place.Role) -> Double {
      let some = maps.filter { $0.place.role == role }
      return Double(some.reduce(0) { $0 + zeros($1) })
        / Double(some.reduce(0) { $0 + $1.weight.rows * $1.weight.columns })
    }
    switch unit {
    case "neurons":
      for role in [Place.Role.down, .up, .gate] { #expect(share(role) >= 0.49, "\(role)") }
      #expect(share(.query) == 0)
    case "heads":
      for role in [Place.Role.attentionOutput, .query, .key, .value] {
        #expect(share(role) >= 0.49, "\(role)")
      }
    case "weights": #expect(share(.up) + share(.query) > 0.3)
    default:
      // Layers of which both parts are gone are cut out.
      let parts = maps.filter {
        [.attentionOutput, .down].contains($0.place.role) && zeros($0) < $0.weight.rows * $0.weight.columns
      }
      #expect(parts.count <= 2)
    }
  }

  @Test func whatIsAllGoneStaysSo() throws {
    let folder = try TrainingRunTests.Folder()
    let output = folder.path + "/gated"
    var recipe = try recipe(folder, "{method: l0, of: layers, target: 0.25}", steps: 300)
    _ = try TrainingRun(recipe, output: output, pool: pool).train()
    func empty(_ path: String) throws -> [Place] {
      try layers(path).filter { if case .masked(let masked) = $0.weight { masked.count == 0 } else { false } }
        .map(\.place)
    }
    let gone = try empty(output)
    #expect(!gone.isEmpty)
    (recipe.start, recipe.compression, recipe.end) = (.model(path: output), nil, .steps(6))
    let again = folder.path + "/again"
    #expect(throws: Stopped.self) {
      try TrainingRun(recipe, output: again, pool: pool).train(keepEvery: 1) {
        if $0.step == 3 { throw Stopped() }
      }
    }
    _ = try TrainingRun(recipe, output: again, pool: pool).train(resume: true)
    #expect(try empty(again) == gone)
  }

  @Test func noisyWeightsGo() throws {
    let folder = try TrainingRunTests.Folder()
    let output = folder.path + "/noisy"
    let report = try TrainingRun(
      recipe(folder, "{method: variational, target: 0.7}", steps: 600), output: output, pool: pool
    ).train()
    #expect(report.heldOut.loss < 2.2, "\(report.heldOut.loss)")
    let decoded = try layers(output).map { $0.weight.decoded() }
    let zeros = decoded.reduce(0) { $0 + $1.values.count { $0 == 0 } }
    #expect(Double(zeros) >= 0.7 * Double(decoded.reduce(0) { $0 + $1.values.count }))
  }

  @Test(arguments: ["l0", "variational"]) func whatStaysDenseIsSaidAndKept(method: String) throws {
    let folder = try TrainingRunTests.Folder()
    let output = folder.path + "/dense"
    do {
      _ = try TrainingRun(
        recipe(folder, "{method: \(method), target: 0.9}", steps: 20), output: output, pool: pool
      ).train()
      Issue.record("it was cut")
    } catch {
      #expect(
        "\(error)".contains("of the 90% that should be") && "\(error)".contains("-as-it-is"), "\(error)")
    }
    #expect(!FileManager.default.fileExists(atPath: output))
    #expect(try layers(output + "-as-it-is").count == 14)
  }

  @Test(arguments: [
    ("{method: l1}", "choose one of magnitude, l0, variational"),
    ("{target: 0.5}\nquantization: {bits: 4}", "both compress"),
    ("{method: l0, every: 3}", "'every' is for magnitude"), ("{every: 50}", "at most the share 'until'"),
    ("{method: l0}\noptimizer: momentum", "'optimizer'"), ("{target: 120%}", "'target'"),
    ("{target: 0}", "'target'"), ("{until: 0}", "'until'"), ("{every: 0}", "'every'"),
    ("{of: heads}", "'of'"),
    ("{rate: 1}", "no key of 'sparsity'"), ("half", "must be a mapping"), ("{target: a%}", "'target'"),
    ("{target: 0.5}\nkeep: best", "'keep'"),
  ])
  func badRecipesAreNamed(_ sparsity: String, _ fault: String) throws {
    let folder = try TrainingRunTests.Folder()
    do {
      _ = try recipe(folder, sparsity)
      Issue.record("it was read")
    } catch { #expect("\(error)".contains(fault), "\(error)") }
  }

  // MARK: - Encoders

  @Test func headsOfAnEncoderAreCutOut() throws {
    let folder = try TrainingRunTests.Folder()
    let recipe = try folder.recipe(
      "layers: 2, width: 32, heads: 4, feed-forward: 64, context: 5", images: TrainingRunTests.Folder.images)
    let (whole, output) = (folder.path + "/whole", folder.path + "/images")
    _ = try TrainingRun(recipe, output: whole, pool: pool).train()
    var sparse = recipe
    sparse.start = .model(path: whole)
    var heads = TrainingRecipe.Sparsity()
    (heads.method, heads.unit) = (.l0, .heads)
    sparse.compression = .sparsity(heads)
    let report = try TrainingRun(sparse, output: output, pool: pool).train()
    #expect(try #require(report.heldOut.accuracy) > 0.85)
    guard case .encoder(let encoder) = try Checkpoint(path: output).model() else {
      Issue.record("no encoder")
      return
    }
    let pruned = encoder.configuration.prunedHeads
    #expect(pruned.values.reduce(0) { $0 + $1.count } >= 3 && pruned.values.allSatisfy { $0.count < 4 })
    for (index, layer) in encoder.layers.enumerated() {
      #expect(layer.query.weight.rows == 8 * encoder.configuration.heads(ofLayer: index))
      #expect(layer.attentionOutput.weight.columns == layer.value.weight.rows)
    }
    // It goes on learning as it is.
    var again = recipe
    (again.start, again.end) = (.model(path: output), .steps(1))
    #expect(
      try #require(TrainingRun(again, output: output + "-2", pool: pool).train().heldOut.accuracy) > 0.8)
  }
}
