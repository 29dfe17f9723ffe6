import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithQuantization
import PithSparsity
import PithTensors
import PithTestSupport
import PithWeights
import Testing

@testable import PithCompression

@Suite struct StructuredPruningTests {
  private let pool = ThreadPool(threads: 2)
  private let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)")
    .path

  private let calibration: Calibration = {
    var generator = SeededGenerator(seed: 5)
    let sequences = (0..<12).map { _ in (0..<20).map { _ in Int32.random(in: 0..<60, using: &generator) } }
    return Calibration(
      sequences: Array(sequences.prefix(8)), heldOut: Array(sequences.suffix(4)), source: "noise")
  }()

  private func source(_ name: String) throws -> Checkpoint {
    try Checkpoint(path: Fixtures.path("models/\(name)"))
  }

  private func compress(_ name: String, _ yaml: String, to path: String, resumes: Bool = false) throws
    -> ReportCard
  {
    try Compression(Recipe(yaml: yaml), calibration: calibration).run(
      source(name), to: path, .init(resumes: resumes), on: pool)
  }

  private func states(_ model: Model) -> Matrix {
    let tokens = calibration.heldOut[0]
    let batch = Batch([(sequence: 0, position: 0, tokens: tokens)])
    switch model {
    case .decoder(let decoder):
      let cache = KeyValueCache(decoder.configuration, capacity: tokens.count)
      var run = Inference(batch, cache: cache, pool: pool)
      return decoder.states(tokens, &run)
    case .encoder(let encoder):
      var run = Inference(batch, pool: pool)
      return encoder.states(batch, &run)
    }
  }

  @Test(arguments: [
    (9, 3, 0.2, 6, 3), (9, 3, 0.1, 6, 3), (9, 3, 0.5, 4, 2), (4, 1, 0.25, 3, 1), (32, 8, 0.25, 24, 8),
    (4, 4, 0.5, 2, 2),
    (12, 12, 0.4, 7, 7), (9, 3, 0.88, 1, 1),
  ])
  func headsStayInEqualGroups(heads: Int, groups: Int, share: Double, left: Int, leftGroups: Int) throws {
    var shape = ModelShape(try source("llama-biases").model())
    (shape.heads, shape.keyValueHeads) = (heads, groups)
    let pruned = try StructuredPruning(heads: share).shape(of: shape)
    #expect(pruned.heads == left && pruned.keyValueHeads == leftGroups)
    var magnitude = BlockMagnitude(
      squares: (0..<(heads * shape.headDimension)).map { Double(($0 / shape.headDimension) * 7 % 5) })
    let selection = HeadSelection(from: shape, to: pruned, &magnitude, on: pool)
    let each = heads / groups
    #expect(selection.heads == selection.heads.sorted())
    let sizes = Dictionary(grouping: selection.heads) { $0 / each }.values.map(\.count)
    #expect(sizes == Array(repeating: left / leftGroups, count: leftGroups))
  }

  @Test func whatAModelCannotLoseIsSaidInOneSentence() throws {
    let (decoder, encoder) = (
      ModelShape(try source("llama-biases").model()), ModelShape(try source("bert").model())
    )
    func refusal(_ shape: ModelShape, layers: Int = 0, heads: Double = 0, neurons: Double = 0) -> String {
      #expect(throws: RecipeError.self) {
        try StructuredPruning(layers: layers, heads: heads, neurons: neurons).shape(of: shape)
      }?.description ?? ""
    }
    #expect(refusal(decoder, layers: 2).contains("2 of 2 layers leaves none"))
    #expect(refusal(decoder, layers: -1).contains("1 or more"))
    #expect(refusal(decoder, heads: 0.9).contains("heads leaves none"))
    #expect(refusal(decoder, heads: 1).contains("below 1"))
    #expect(refusal(decoder, neurons: 0.99).contains("neurons leaves none"))
    #expect(refusal(decoder, neurons: .nan).contains("below 1"))
    #expect(refusal(decoder).contains("Nothing"))
    #expect(refusal(encoder, heads: 0.5).contains("encoder"))
    #expect(throws: RecipeError.needsCalibration("Choosing what to drop")) {
      try Compression(Recipe(drop: StructuredPruning(layers: 1), steps: []))
    }
  }

  /// A model without heads and neurons computes what one with zeros in their place does.
  @Test(arguments: ["llama-biases", "gemma3", "qwen2-window", "llama-f16", "bert", "distilbert"])
  func whatIsCutIsWhatZerosWouldDo(name: String) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let heads = name.contains("bert") ? "" : "heads: 0.3, "
    _ = try compress(name, "drop: {\(heads)neurons: 0.3, score: magnitude}", to: folder)
    let (original, pruned) = (try source(name).model(), try Checkpoint(path: folder).model())
    let cut = Dictionary(uniqueKeysWithValues: pruned.maps.map { ($0.place, $0.weight.decoded()) })
    var zeros = 0
    let zeroed = original.replacingWeights { map in
      guard [.attentionOutput, .down].contains(map.place.role), let left = cut[map.place] else {
        return map.weight
      }
      var (weight, next) = (map.weight.decoded(), 0)
      for column in 0..<weight.columns {
        let values = (0..<weight.rows).map { weight[$0, column] }
        if next < left.columns, values == (0..<left.rows).map({ left[$0, next] }) {
          next += 1
        } else {
          zeros += 1
          for row in 0..<weight.rows { weight[row, column] = 0 }
        }
      }
      #expect(next == left.columns)
      return .dense(Dense(weight))
    }
    #expect(zeros > 0)
    // Columns of the heads that the report names are the zeros of the attention's output projections.
    let report = try JSON(
      parsing: [UInt8](#require(FileManager.default.contents(atPath: folder + "/pith.json"))))
    let dropped = report["pruning"]?["heads_dropped"]?.array?.map { $0.array!.compactMap(\.int) } ?? []
    #expect(dropped.isEmpty == name.contains("bert"))
    for map in zeroed.maps where map.place.role == .attentionOutput && !dropped.isEmpty {
      let (weight, dimension) = (map.weight.decoded(), ModelShape(original).headDimension)
      let heads = (0..<(weight.columns / dimension)).filter { head in
        (0..<weight.rows).allSatisfy { weight[$0, head * dimension] == 0 }
      }
      #expect(heads == dropped[map.place.layer!])
    }
    let (a, b) = (states(pruned), states(zeroed))
    for (x, y) in zip(a.values, b.values) { #expect(abs(x - y) < 1e-4 * max(1, abs(y))) }
  }

  /// Zeros in both output projections let a layer pass on what it got.
  @Test(arguments: ["gemma3", "llama-f16", "qwen2-window"])
  func theLayerThatDoesNothingGoesFirst(name: String) throws {
    let model = try source(name).model()
    let idle = ModelShape(model).layers - 1
    let edited = model.replacingWeights { map in
      guard map.place.layer == idle, [.attentionOutput, .down].contains(map.place.role) else {
        return map.weight
      }
      return .dense(Dense(Matrix(rows: map.weight.rows, columns: map.weight.columns)))
    }
    let changes = LayerChanges(calibration.sequences, on: pool)
    #expect(changes.changes(edited)[idle] < 1e-6)
    let kept = changes.kept(of: edited, dropping: 1) {}
    #expect(kept == Array(0..<idle))
    #expect(states(edited.keeping(layers: kept)) == states(edited))
  }

  /// Which layers see only a window is known of those that are left.
  @Test(arguments: [
    "gemma3", "qwen2-window", "mistral", "bert", "distilbert-classifier", "llama-untied-llama3",
  ])
  func aModelWithoutALayerIsReadAsItIs(name: String) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let card = try compress(name, "drop: {layers: 1}", to: folder)
    let model = try source(name).model()
    let kept = LayerChanges(calibration.sequences, on: pool).kept(of: model, dropping: 1) {}
    let pruned = try Checkpoint(path: folder).model()
    #expect(states(pruned) == states(model.keeping(layers: kept)))
    #expect(card.cut == "layers \(kept.count + 1) → \(kept.count)")
    #expect(card.matrices.isEmpty && card.quality != nil || name.contains("bert"))
  }

  /// Cutting and then quantizing, and the same when it was interrupted between the two or in the first.
  @Test func aCutModelGoesThroughSteps() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let yaml =
      "drop: {layers: 1, heads: 0.25, neurons: 0.25}\nsteps: [{method: gptq, bits: 4, group-size: 0}]"
    let card = try compress("gemma3", yaml, to: folder + "/whole")
    #expect(card.cut == "layers 4 → 3, heads 4 → 2, neurons 37 → 28")
    #expect(card.matrices.count == 3 * 7 + 1)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(files == ["whole"])
    let whole = FileManager.default.contents(atPath: folder + "/whole/model.safetensors")
    for stop in [1, 3, 5, 12] {
      let path = folder + "/part"
      var left = stop
      let process = try Compression(Recipe(yaml: yaml), calibration: calibration)
      _ = try? process.run(source("gemma3"), to: path, .init(measures: false), on: pool) { _, _ in
        left -= 1
        if left == 0 { try? Self.copyUnfinished(path) }
      }
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.moveItem(atPath: folder + "/copy", toPath: folder + "/.part.partial")
      _ = try compress("gemma3", yaml, to: path, resumes: true)
      #expect(FileManager.default.contents(atPath: path + "/model.safetensors") == whole)
      try FileManager.default.removeItem(atPath: path)
    }
  }

  /// What a kill would have left.
  private static func copyUnfinished(_ path: String) throws {
    let url = URL(filePath: path)
    let parent = url.deletingLastPathComponent()
    try FileManager.default.copyItem(
      at: parent.appending(path: ".\(url.lastPathComponent).partial"), to: parent.appending(path: "copy"))
  }

  @Test func anExplanationKnowsTheShapesThatAreLeft() throws {
    let recipe = try Recipe(
      yaml: "drop: {layers: 2, neurons: 0.5}\nsteps: [{method: rtn, bits: 4, group-size: 0}]")
    let explanation = try Explanation(recipe, source("gemma3"), tokens: 1000, on: pool)
    #expect(explanation.pruning == "layers 4 → 2, neurons 37 → 18")
    #expect(explanation.lines.count == 2 * 7 + 1)
    #expect(explanation.lines.first { $0.entry.place.role == .down }?.entry.columns == 18)
  }
}
