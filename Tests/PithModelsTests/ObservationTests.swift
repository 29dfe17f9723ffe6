import Foundation
import PithCheckpoints
import PithModels
import PithTensors
import PithTestSupport
import Testing

@Suite struct ObservationTests {
  private let pool = ThreadPool(threads: 2)

  private func budget(_ bytes: Int) -> RowBudget {
    RowBudget(bytes: bytes, folder: FileManager.default.temporaryDirectory.path)
  }

  /// What is observed is what a plain run computes, in memory or aside, whatever the parts.
  @Test(arguments: ["llama-biases", "qwen3", "gemma3", "mistral"], [(0, 7), (1 << 30, 7), (4000, 64)])
  func aDecoderComputesWhatInferenceDoes(name: String, room: (bytes: Int, rows: Int)) throws {
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/\(name)")).model() else {
      return
    }
    let sequences: [[Int32]] = [[1, 5, 9, 2, 17], [3, 3, 8], [11], [4, 9, 1, 2, 6, 5, 8, 12]]
    let batch = Batch(sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
    var inputs: [[Float]] = []
    var places: [Place] = []
    var run = Observation(
      batch, decoder.configuration, rowsPerPart: room.rows, budget: budget(room.bytes), pool: pool
    ) { maps, input in
      var rows: [Float] = []
      input.forEach { rows += $0.values }
      inputs.append(rows)
      places += maps.map(\.place)
      return Observation.Replacement(maps: maps)
    }
    _ = decoder.states(batch.tokens, &run)
    #expect(places == decoder.maps.map(\.place).filter { $0.layer != nil })

    var witness = Witness(
      inference: Inference(
        batch, cache: KeyValueCache(decoder.configuration, sequences: 4, capacity: 8), pool: pool))
    _ = decoder.states(batch.tokens, &witness)
    #expect(inputs.count == witness.inputs.count)
    for (a, b) in zip(inputs, witness.inputs) {
      let size = b.map(abs).max()!
      #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * size })
    }
  }

  @Test func anEncoderComputesWhatInferenceDoes() throws {
    guard case .encoder(let encoder) = try Checkpoint(path: Fixtures.path("models/bert")).model() else {
      return
    }
    let batch = Batch(
      [(0, 0, [1, 5, 9, 2, 17]), (1, 0, [3, 3, 8])].map { (sequence: $0.0, position: $0.1, tokens: $0.2) })
    var inputs: [[Float]] = []
    var run = Observation(batch, nil, rowsPerPart: 5, budget: budget(0), pool: pool) { maps, input in
      var rows: [Float] = []
      input.forEach { rows += $0.values }
      inputs.append(rows)
      return Observation.Replacement(maps: maps)
    }
    _ = encoder.states(batch, &run)
    var witness = Witness(inference: Inference(batch, pool: pool))
    _ = encoder.states(batch, &witness)
    for (a, b) in zip(inputs, witness.inputs) {
      let size = b.map(abs).max()!
      #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * size })
    }
  }

  @Test func everythingAfterSeesWhatTheObserverPutInPlace() throws {
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/llama-biases")).model()
    else { return }
    let tokens: [Int32] = [1, 5, 9, 2, 17]
    let batch = Batch([(sequence: 0, position: 0, tokens: tokens)])
    var seen: [Float] = []
    var run = Observation(batch, decoder.configuration, budget: budget(0), pool: pool) { maps, input in
      if maps[0].place.role == .attentionOutput, seen.isEmpty { input.forEach { seen += $0.values } }
      // Values of 0 mix to 0.
      let silent = maps.map { map in
        map.place.role == .value
          ? Linear(.dense(.init(Matrix(rows: map.weight.rows, columns: map.weight.columns))), at: map.place)
          : map
      }
      return Observation.Replacement(maps: silent)
    }
    _ = decoder.states(tokens, &run)
    #expect(!seen.isEmpty && seen.allSatisfy { $0 == 0 })
  }
}

/// Inference that notes the inputs of maps.
private struct Witness: Operations {
  var inference: Inference
  var inputs: [[Float]] = []

  mutating func embed(_ rows: [Int32], from table: Linear, scale: Float) -> Matrix {
    inference.embed(rows, from: table, scale: scale)
  }
  mutating func normalize(_ x: Matrix, _ norm: Norm) -> Matrix { inference.normalize(x, norm) }
  mutating func project(_ x: Matrix, _ maps: [Linear]) -> [Matrix] {
    inputs.append(x.values)
    return inference.project(x, maps)
  }
  mutating func rotate(_ x: Matrix, headDimension: Int, _ rotary: Rotary) -> Matrix {
    inference.rotate(x, headDimension: headDimension, rotary)
  }
  mutating func attend(_ queries: Matrix, _ keys: Matrix, _ values: Matrix, _ attention: Attention) -> Matrix
  {
    inference.attend(queries, keys, values, attention)
  }
  mutating func gate(_ gate: Matrix, _ up: Matrix, _ activation: Activation) -> Matrix {
    inference.gate(gate, up, activation)
  }
  mutating func activate(_ x: Matrix, _ activation: Activation) -> Matrix {
    inference.activate(x, activation)
  }
  mutating func add(_ a: Matrix, _ b: Matrix) -> Matrix { inference.add(a, b) }
  mutating func select(_ x: Matrix, rows: [Int]) -> Matrix { inference.select(x, rows: rows) }
}
