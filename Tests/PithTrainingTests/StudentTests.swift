import Foundation
import PithCheckpoints
import PithModels
import PithTensors
import PithTestSupport
import PithWeights
import Testing

@testable import PithTraining

/// Students of unusual shapes: what their weights are made of is learned, and they stay as they are stored.
struct StudentTests {
  let pool = ThreadPool(threads: 2)

  /// A small model whose weights are, one way or another, made of less.
  private func student() throws -> Decoder {
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/llama")).model() else {
      throw CocoaError(.fileReadCorruptFile)
    }
    return decoder.mapping(
      maps: { map in
        let (rows, columns) = (map.weight.rows, map.weight.columns)
        let stored: StoredMatrix
        switch map.place.role {
        case .query, .value:
          stored = .product(
            MatrixProduct(
              .dense(Dense(CompositionTests.random(rows, 3, seed: 1))),
              .dense(Dense(CompositionTests.random(3, columns, seed: 2)))))
        case .embedding:
          let shape = TensorTrain.Shape(
            rows: rows, outputs: [8, rows], inputs: [2, columns / 2], ranks: [3])
          stored = .tensorTrain(
            TensorTrain(
              shape,
              cores: shape.cores.enumerated().map {
                Dense(CompositionTests.random($1.rows, $1.columns, seed: UInt64($0)))
              }))
        case .up: stored = .masked(Masked(map.weight.decoded(), at: .seed(3, perRow: columns / 2)))
        case .gate:
          let affine = LearnedGridTests.affine(
            bits: 4, zeros: 1, rows: rows, columns: columns, groupSize: 16, scale: 0.02)
          stored = .affine(affine)
        default: return map
        }
        return Linear(stored, bias: map.bias, at: map.place)
      }, norms: { $0 })
  }

  @Test func gradientsAreThoseOfTheWholeWeightsCarriedBack() throws {
    let student = try student()
    let plain = student.mapping(
      maps: { Linear(.dense(Dense($0.weight.decoded())), bias: $0.bias, at: $0.place) }, norms: { $0 })
    let tokens = (0..<60).map { Int32($0 * 7 % 61) }
    let batch = Batch([(sequence: 0, position: 0, tokens: tokens)])
    func gradients(_ decoder: Decoder) -> (Double, Parameters) {
      let parameters = Parameters(decoder, on: pool)
      var run = Differentiation(batch, parameters, pool: pool)
      let states = decoder.states(tokens, &run)
      let loss = run.crossEntropy(states, behind: decoder.head, targets: tokens.map { ($0 + 1) % 61 })
      run.runBack()
      parameters.carryBack(on: pool)
      return (loss, parameters)
    }
    let ((loss, made), (plainLoss, whole)) = (gradients(student), gradients(plain))
    #expect(abs(loss - plainLoss) < 1e-5)
    #expect(made.count < whole.count && made.list.contains { $0.name == .factor(Place(.embedding), 1) })
    for map in student.maps {
      guard let (composition, factors) = Composition.of(map.weight) else { continue }
      let gradient = try #require(whole.list.first { $0.name == .weight(map.place) }).gradient
      var expected = factors.map { Matrix(rows: $0.rows, columns: $0.columns) }
      composition.carryBack(gradient, factors, into: &expected, on: nil)
      for (index, expected) in expected.enumerated() {
        let found = try #require(made.list.first { $0.name == .factor(map.place, index) }).gradient
        let size = expected.values.reduce(1e-6) { max($0, abs($1)) }
        #expect(zip(found.values, expected.values).allSatisfy { abs($0 - $1) <= 1e-3 * size })
      }
    }
    #expect(
      made.applied(to: student).maps.filter(\.weight.isPacked).count
        == student.maps.filter(\.weight.isPacked).count)
  }

  private func recipe(_ folder: TrainingRunTests.Folder, _ shape: String, steps: Int = 40) throws
    -> TrainingRecipe
  {
    try folder.recipe(
      "layers: 2, width: 64, heads: 2, feed-forward: 128, context: 32, \(shape)", steps: steps)
  }

  @Test(arguments: StaticMask.Pattern.allCases)
  func aSparseModelStaysSo(_ pattern: StaticMask.Pattern) throws {
    let folder = try TrainingRunTests.Folder()
    let recipe = try recipe(folder, "density: 0.5, mask: \(pattern.rawValue)")
    let run = try TrainingRun(recipe, output: folder.path + "/model", pool: pool)
    var losses: [Double] = []
    let report = try run.train { losses.append($0.loss) }
    #expect(report.heldOut.loss < losses[0] - 1, "\(losses[0]) to \(report.heldOut.loss)")
    guard case .decoder(let decoder) = try Checkpoint(path: folder.path + "/model").model() else { return }
    for map in decoder.maps where map.place.layer != nil {
      guard case .masked(let masked) = map.weight else {
        Issue.record("\(map.place) is not masked")
        return
      }
      #expect(2 * masked.count == masked.rows * masked.columns, "\(map.place)")
      if pattern == .random { #expect(map.weight.byteCount == 2 * masked.count) }
    }
    #expect(report.parameters < run.parameterCount + 1)
  }

  private struct Stopped: Error {}

  @Test func aResumedSparseTrainingEndsInTheSameBytes() throws {
    let folder = try TrainingRunTests.Folder()
    let recipe = try recipe(folder, "density: 0.25", steps: 20)
    let (whole, parts) = (folder.path + "/whole", folder.path + "/parts")
    _ = try TrainingRun(recipe, output: whole, pool: pool).train()
    let run = try TrainingRun(recipe, output: parts, pool: ThreadPool(threads: 1))
    #expect(throws: Stopped.self) { try run.train(keepEvery: 3) { if $0.step == 11 { throw Stopped() } } }
    _ = try TrainingRun(recipe, output: parts, pool: pool).train(resume: true)
    let files = [whole, parts].map { FileManager.default.contents(atPath: $0 + "/model.safetensors") }
    #expect(files[0] != nil && files[0] == files[1])
  }

  @Test func theMeanOfTeachersIsThatOfTheirProbabilities() {
    let logits = (0..<3).map { CompositionTests.random(4, 9, seed: UInt64($0 + 30)) }
    let temperature: Float = 1.7
    func shares(_ row: ArraySlice<Float>) -> [Double] {
      let powers = row.map { exp(Double($0 / temperature)) }
      return powers.map { $0 / powers.reduce(0, +) }
    }
    let mean = Teachers<Decoder>.mean(of: logits, temperature: temperature, on: pool)
    for row in 0..<4 {
      let each = logits.map { shares($0[row: row]) }
      for (column, share) in shares(mean[row: row]).enumerated() {
        #expect(abs(share - each.reduce(0) { $0 + $1[column] } / 3) < 1e-5)
      }
    }
    #expect(Teachers<Decoder>.mean(of: [logits[0]], temperature: 2, on: pool) == logits[0])
  }

  @Test func masksOfATeacherAreDrawnByBatch() throws {
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/llama")).model() else {
      return
    }
    let batch = Batch([(sequence: 0, position: 0, tokens: [1, 2, 3])])
    let teachers = Teachers(models: [decoder], dropout: 0.3, samples: 3)
    let states = teachers.states(of: batch, seed: 4, on: pool).map(\.states)
    #expect(states.count == 3 && states[0] != states[1] && states[1] != states[2])
    #expect(states == teachers.states(of: batch, seed: 4, on: pool).map(\.states))
    #expect(states != teachers.states(of: batch, seed: 5, on: pool).map(\.states))
  }

  @Test func membersLearnFromEachOther() throws {
    let folder = try TrainingRunTests.Folder()
    /// A member, which another has left something for or not.
    func member(_ number: Int, steps: Int, _ name: String) throws -> TrainingRun.Report {
      var recipe = try TrainingRecipe(
        yaml: """
          model: {new: {layers: 1, width: 16, heads: 2, feed-forward: 24, context: 32}}
          text: \(folder.path)/text.txt
          members: {folder: \(folder.path)/shared, member: \(number), of: 2, every: 10, burn-in: 10}
          window: 16
          batch: 4
          steps: \(steps)
          learning-rate: 1e-2
          warm-up: 5
          seed: \(number)
          """)
      recipe.evaluateEvery = 100
      return try TrainingRun(recipe, output: "\(folder.path)/\(name)", pool: pool).train()
    }
    let alone = try member(0, steps: 20, "alone")
    _ = try member(1, steps: 60, "other")
    // What the other left is there from the burn-in on.
    let taught = try member(0, steps: 20, "taught")
    #expect(taught.heldOut.loss != alone.heldOut.loss)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path + "/shared").sorted() == [
        "member-0.safetensors", "member-1.safetensors",
      ])
  }

  @Test(arguments: [
    ("teacher: a\nmembers: {folder: b}", "'teacher' and 'members'"), ("members: {}", "'folder'"),
    ("members: {folder: a, member: 2}", "'member'"), ("members: {folder: a, speed: 2}", "'speed'"),
    ("teacher: []", "at least one"), ("teacher: a\nteacher-dropout: 1", "'teacher-dropout'"),
    ("teacher-samples: 3", "'teacher-samples'"),
    ("model: {new: {density: 0}}", "'density'"), ("model: {new: {mask: round}}", "'round' is no mask"),
  ])
  func aRecipeSaysWhatIsWrong(yaml: String, part: String) {
    do throws(TrainingRecipeError) {
      _ = try TrainingRecipe(yaml: "text: t\n" + yaml)
      Issue.record("\(yaml) is a recipe")
    } catch { #expect(error.description.contains(part), "\(error)") }
  }

  @Test func aNewEncoderNeedsAVocabulary() {
    do throws(TrainingRecipeError) {
      _ = try TrainingRecipe(yaml: "labels: a\nheld-out: b\nmodel: {new: {layers: 2}}")
      Issue.record("it is a recipe")
    } catch { #expect(error.description.contains("'vocabulary-of'"), "\(error)") }
  }
}
