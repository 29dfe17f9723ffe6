import PithCheckpoints
import PithModels
import PithTensors
import PithTestSupport
import PithTraining
import Testing

/// Gradients of whole small models against finite differences in double precision: each operation has its part in them.
struct GradientTests {
  let pool = ThreadPool(threads: 2)

  @Test(arguments: [
    "llama", "llama-biases", "llama-relu-f16", "qwen3-untied", "gemma3", "mistral", "qwen2-window",
  ])
  func ofADecoder(_ name: String) throws {
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/\(name)")).model() else {
      Issue.record("\(name) is no decoder")
      return
    }
    let vocabulary = Int32(decoder.configuration.vocabularySize)
    let batch = Batch([
      (sequence: 0, position: 0, tokens: (0..<11).map { ($0 * 7 + 3) % vocabulary }),
      (sequence: 1, position: 0, tokens: [5]),
      (sequence: 2, position: 0, tokens: (0..<40).map { ($0 * $0 + 1) % vocabulary }),
    ])
    let targets = batch.tokens.enumerated().map { $0 % 5 == 4 ? -1 : ($1 + 2) % vocabulary }
    let parameters = Parameters(decoder)
    for recomputes in [false, true] {
      parameters.clearGradients()
      var run = Differentiation(batch, parameters, pool: pool)
      let states =
        recomputes ? decoder.states(batch.tokens, recomputing: &run) : decoder.states(batch.tokens, &run)
      let loss = run.crossEntropy(states, behind: decoder.head, targets: targets, smoothing: 0.1)
      run.runBack()
      try compare(parameters, loss, "\(name), recomputes \(recomputes)") { changed in
        var run = DoublePrecision(batch: batch, parameters: changed)
        let states = decoder.states(batch.tokens, &run)
        return run.crossEntropy(decoder.logits(states, &run), targets: targets, smoothing: 0.1)
      }
    }
  }

  @Test(arguments: ["bert-classifier", "distilbert-classifier"])
  func ofAnEncoder(_ name: String) throws {
    guard case .encoder(let encoder) = try Checkpoint(path: Fixtures.path("models/\(name)")).model() else {
      Issue.record("\(name) is no encoder")
      return
    }
    let vocabulary = Int32(encoder.configuration.vocabularySize)
    let batch = Batch(
      [7, 1, 12].enumerated().map { index, length in
        (sequence: index, position: 0, tokens: (0..<length).map { Int32($0 * 5 + index) % vocabulary })
      }, segments: (0..<20).map { $0 % 3 == 0 ? 1 : 0 })
    let targets: [Int32] = [0, 1, 0]
    let parameters = Parameters(encoder)
    var run = Differentiation(batch, parameters, pool: pool)
    let logits = try #require(encoder.classLogits(encoder.states(batch, &run), of: batch, &run))
    let loss = run.crossEntropy(logits, targets: targets)
    run.runBack()
    try compare(parameters, loss, name) { changed in
      var run = DoublePrecision(batch: batch, parameters: changed)
      let states = encoder.states(batch, &run)
      return run.crossEntropy(encoder.classLogits(states, of: batch, &run)!, targets: targets)
    }
  }

  @Test func whatIsNoParameterStaysAsItIs() throws {
    guard
      case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/llama-untied-llama3")).model()
    else { return }
    let parameters = Parameters(decoder) { name in
      if case .weight(let place) = name { place.layer == 1 && place.role == .up } else { false }
    }
    #expect(parameters.list.count == 1)
    let batch = Batch([(sequence: 0, position: 0, tokens: [1, 2, 3, 4])])
    var run = Differentiation(batch, parameters, pool: pool)
    let loss = run.crossEntropy(
      decoder.states(batch.tokens, &run), behind: decoder.head, targets: [2, 3, 4, 5])
    run.runBack()
    try compare(parameters, loss, "one matrix") { changed in
      var run = DoublePrecision(batch: batch, parameters: changed)
      let states = decoder.states(batch.tokens, &run)
      return run.crossEntropy(decoder.logits(states, &run), targets: [2, 3, 4, 5])
    }
  }

  /// Compares the gradients of some values of every parameter with central differences of `loss` in double precision.
  private func compare(
    _ parameters: Parameters, _ found: Double, _ what: String, loss: ([ParameterName: [Double]]) -> Double
  ) throws {
    #expect(abs(found - loss([:])) < 1e-5, "\(what)")
    var random = SeededGenerator(seed: 7)
    for parameter in parameters.list {
      let values = parameter.value.values.map(Double.init)
      let largest = parameter.gradient.values.reduce(0) { max($0, abs($1)) }
      // The largest gradient is among them, so that not only zeros are compared.
      let peak = parameter.gradient.values.firstIndex { abs($0) == largest } ?? 0
      for index in [peak] + (0..<4).map({ _ in Int(random.next() % UInt64(values.count)) }) {
        let step = 1e-4
        let (up, down) = [step, -step].map { change in
          var changed = values
          changed[index] += change
          return loss([parameter.name: changed])
        }.pair
        let expected = (up - down) / (2 * step)
        let error = abs(Double(parameter.gradient.values[index]) - expected)
        #expect(
          error <= 1e-4 * Double(largest) + 1e-7,
          "\(what), \(parameter.name) at \(index): \(parameter.gradient.values[index]) for \(expected)")
      }
    }
  }
}

extension [Double] {
  fileprivate var pair: (Double, Double) { (self[0], self[1]) }
}
