import Foundation
import PithCheckpoints
import PithModels
import PithTensors
import PithTestSupport
import PithTraining
import PithWeights
import Testing

/// Gradients of whole small models against those of PyTorch (`Tools/make_gradient_fixtures.py`).
struct ReferenceGradientTests {
  let pool = ThreadPool(threads: 2)

  private func tokens(_ length: Int, _ vocabulary: Int) -> [Int32] {
    (0..<length).map { Int32((7 * $0 + 3 * length) % vocabulary) }
  }

  @Test(arguments: ["llama-biases", "gemma3", "bert-classifier"])
  func agreeWithPyTorch(_ name: String) throws {
    let path = Fixtures.path("models/\(name)")
    let file = try SafetensorsFile(path: path + "/gradients.safetensors")
    let model = try Checkpoint(path: path).model()
    let (parameters, loss): (Parameters, Double)
    switch model {
    case .decoder(let decoder):
      let sequences = [13, 6].map { tokens($0, decoder.configuration.vocabularySize) }
      let batch = Batch(sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
      parameters = Parameters(decoder)
      var run = Differentiation(batch, parameters, pool: pool)
      loss = run.crossEntropy(
        decoder.states(batch.tokens, &run), behind: decoder.head,
        targets: sequences.flatMap { Array($0.dropFirst()) + [-1] })
      run.runBack()
    case .encoder(let encoder):
      let sequences = [13, 6].map { tokens($0, encoder.configuration.vocabularySize) }
      let batch = Batch(sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
      parameters = Parameters(encoder)
      var run = Differentiation(batch, parameters, pool: pool)
      let logits = try #require(encoder.classLogits(encoder.states(batch, &run), of: batch, &run))
      loss = run.crossEntropy(logits, targets: [1, 0])
      run.runBack()
    }
    let expectedLoss = try #require(file.metadata.first { $0.key == "loss" }.flatMap { Double($0.value) })
    #expect(abs(loss - expectedLoss) < 1e-5)
    let contents = ModelContents(model)
    let gradients = Dictionary(uniqueKeysWithValues: parameters.list.map { ($0.name, $0.gradient.values) })
    var found: [String: [Float]] = [:]
    for (name, map) in contents.maps {
      found[name] = gradients[.weight(map.place)]
      if map.bias != nil { found[name.replacing(".weight", with: ".bias")] = gradients[.bias(map.place)] }
    }
    let norms: [Norm] =
      switch model {
      case .decoder(let decoder): decoder.norms
      case .encoder(let encoder): encoder.norms
      }
    let names = contents.vectors.map(\.name).filter { found[$0] == nil }
    let parts = norms.flatMap { norm in
      if case .layer = norm.kind {
        [gradients[.scale(norm.place)], gradients[.shift(norm.place)]]
      } else {
        [gradients[.scale(norm.place)]]
      }
    }
    #expect(names.count == parts.count)
    for (name, gradient) in zip(names, parts) { found[name] = gradient }
    #expect(found.count == parameters.list.count)
    for (name, gradient) in found {
      let expected = try #require(file[name], "\(name)").bytes.array(of: Float.self)
      // Some are 0 but for rounding: what is added to all keys changes nothing.
      let size = expected.reduce(1e-3) { max($0, abs($1)) }
      let error = zip(gradient, expected).map { abs($0 - $1) }.max() ?? .infinity
      #expect(gradient.count == expected.count && error <= 1e-4 * size, "\(name): \(error) of \(size)")
    }
  }
}
