import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTestSupport
import Testing

/// Small random checkpoints beside what `transformers` computes from them in float32
/// (`Tools/make_model_fixtures.py`).
struct ReferenceModelTests {
  static let decoders = [
    "gemma3", "gemma3-linear", "gemma3-linear-old", "llama", "llama-bf16", "llama-biases", "llama-f16",
    "llama-linear", "llama-linear-old", "llama-relu-f16", "llama-sharded", "llama-untied-llama3",
    "llama-untied-llama3-old",
    "mistral", "qwen2", "qwen2-window", "qwen2-window-old", "qwen3", "qwen3-untied",
  ]
  static let encoders = ["bert", "bert-classifier", "distilbert", "distilbert-classifier"]

  let pool = ThreadPool(threads: 2)

  @Test(arguments: decoders)
  func decoderEqualsReference(_ name: String) throws {
    let (decoder, sequences) = try load(name)
    for (index, sequence) in sequences.enumerated() {
      let (states, logits) = try decode([sequence.tokens], decoder)
      #expect(states.rows == sequence.tokens.count)
      expectEqual(logits, sequence["logits"], "\(name), sequence \(index)")
    }
  }

  @Test(arguments: decoders)
  func sequencesOfABatchDoNotSeeEachOther(_ name: String) throws {
    let (decoder, sequences) = try load(name)
    let (_, logits) = try decode(sequences.map(\.tokens), decoder)
    let expected = sequences.flatMap { $0["logits"].values }
    expectEqual(logits, Reference(rows: logits.rows, columns: logits.columns, values: expected), name)
  }

  @Test func columnsOfZerosAreSkippedBehindAReLUAlone() throws {
    let lie = { (decoder: Decoder) in
      decoder.layers.map { layer in
        if case .dense(let down) = layer.down.weight { down.order == .columns } else { false }
      }
    }
    for name in Self.decoders {
      let decoder = try load(name).0
      #expect(Set(lie(decoder.skippingZeros)) == [name == "llama-relu-f16"], "\(name)")
      #expect(Set(lie(decoder)) == [false], "\(name)")
    }
  }

  @Test(arguments: decoders)
  func tokensOneByOneGiveWhatTheyGiveTogether(_ name: String) throws {
    var (decoder, sequences) = try load(name)
    decoder = decoder.skippingZeros
    let sequence = try #require(sequences.max { $0.tokens.count < $1.tokens.count })
    let cache = KeyValueCache(decoder.configuration, capacity: sequence.tokens.count)
    var rows: [Float] = []
    for (position, token) in sequence.tokens.enumerated() {
      var run = Inference(
        Batch([(sequence: 0, position: position, tokens: [token])]), cache: cache, pool: pool)
      rows += decoder.logits(decoder.states([token], &run), &run).values
    }
    let logits = Matrix(
      rows: sequence.tokens.count, columns: decoder.configuration.vocabularySize, values: rows)
    expectEqual(logits, sequence["logits"], name)
  }

  @Test(arguments: encoders)
  func encoderEqualsReference(_ name: String) throws {
    guard case .encoder(let encoder) = try Checkpoint(path: Fixtures.path("models/\(name)")).model() else {
      Issue.record("\(name) is no encoder")
      return
    }
    let sequences = try readSequences(name)
    // All sequences in one batch: none may see another.
    let batch = Batch(
      sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1.tokens) },
      segments: sequences.flatMap(\.segments))
    var run = Inference(batch, pool: pool)
    let states = encoder.states(batch, &run)
    let logits = encoder.classLogits(states, of: batch, &run)
    for (index, sequence) in sequences.enumerated() {
      if let logits {
        expectEqual(run.select(logits, rows: [index]), sequence["class_logits"], "\(name), sequence \(index)")
      } else {
        let rows = Array(batch.runs[index].rows)
        expectEqual(run.select(states, rows: rows), sequence["hidden"], "\(name), sequence \(index)")
      }
    }
    #expect((logits != nil) == name.hasSuffix("classifier"))
  }

  // MARK: - Reading

  struct Reference {
    let rows: Int
    let columns: Int
    let values: [Float]
  }

  struct Sequence {
    let json: JSON

    var tokens: [Int32] { json["input_ids"]!.array!.map { Int32($0.int!) } }

    var segments: [Int32] {
      json["token_type_ids"]?.array?.map { Int32($0.int!) } ?? tokens.map { _ in 0 }
    }

    subscript(name: String) -> Reference {
      let matrix = json[name]!
      let shape = matrix["shape"]!.array!.map { $0.int! }
      let values = matrix["values"]!.array!.map { Float($0.double!) }
      return Reference(rows: shape.count == 1 ? 1 : shape[0], columns: shape.last!, values: values)
    }
  }

  private func load(_ name: String) throws -> (Decoder, [Sequence]) {
    let model = try Checkpoint(path: Fixtures.path("models/\(name)")).model()
    guard case .decoder(let decoder) = model else { throw Unexpected() }
    return (decoder, try readSequences(name))
  }

  private struct Unexpected: Error {}

  private func readSequences(_ name: String) throws -> [Sequence] {
    let bytes = try Bytes(mapping: Fixtures.path("models/\(name)/expected.json"))
    let json = try bytes.withUnsafeBytes { try JSON(parsing: $0) }
    return json["sequences"]!.array!.map { Sequence(json: $0) }
  }

  private func decode(_ sequences: [[Int32]], _ decoder: Decoder) throws -> (states: Matrix, logits: Matrix) {
    let cache = KeyValueCache(
      decoder.configuration, sequences: sequences.count, capacity: sequences.map(\.count).max() ?? 1)
    let batch = Batch(sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
    var run = Inference(batch, cache: cache, pool: pool)
    let states = decoder.states(batch.tokens, &run)
    return (states, decoder.logits(states, &run))
  }

  private func expectEqual(_ found: Matrix, _ expected: Reference, _ what: String) {
    #expect(found.rows == expected.rows && found.columns == expected.columns, "\(what)")
    let difference = zip(found.values, expected.values).map { abs($0 - $1) }.max() ?? 0
    #expect(difference <= 1e-4, "\(what): maximum absolute difference \(difference)")
  }
}
