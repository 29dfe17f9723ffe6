import PithCheckpoints
import PithModels
import PithTensors
import PithTestSupport
import PithWeights
import Testing

@testable import PithCompression

struct TuningTests {
  /// Rates fall with the length of a step of the codes, and do not rise beyond those of 2 bits.
  @Test(arguments: [(Float(0.09), Float(1)), (0.045, 0.5), (0.2, 1), (.infinity, 1)])
  func ratesFollowWhatCompressionChanged(_ change: Float, _ share: Float) throws {
    let start = try Checkpoint(path: Fixtures.path("models/llama"))
    for (stage, rate) in [(Tuning.Stage.layers, Float(3e-4)), (.whole, 1e-4)] {
      let recipe = Tuning(seconds: 60).recipe(
        stage, seconds: 10, window: 16, start, like: "original", text: "text", change: change)
      #expect(abs(recipe.learningRate - rate * share) < 1e-7)
    }
  }

  @Test func theChangeIsThatOfTheWeightsOfTheLayers() throws {
    let path = Fixtures.path("models/llama")
    guard case .decoder(let decoder) = try Checkpoint(path: path).model() else {
      Issue.record("no decoder")
      return
    }
    #expect(decoder.change(from: decoder) == 0)
    let moved = decoder.mapping(
      maps: { map in
        var weight = map.weight.decoded()
        for index in weight.values.indices { weight.values[index] += index.isMultiple(of: 2) ? 0.25 : -0.25 }
        return Linear(.dense(Dense(weight)), at: map.place)
      }, norms: { $0 })
    #expect(abs(moved.change(from: decoder) - 0.25) < 1e-3)
  }
}
