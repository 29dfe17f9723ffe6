import Foundation
import Pith
import PithJSON
import PithTestSupport
import PithWeights
import Testing

@Suite struct CompressMemoryTests {
  /// Four times the layers, and the same memory: a run holds one group of matrices and the rows, never the model.
  @Test func memoryDoesNotGrowWithTheNumberOfLayers() throws {
    let folder = try TemporaryFolder()
    let text = try folder.write(
      "text.txt",
      (0..<400).map { "The \($0)th fox jumps over \($0 % 7) lazy dogs and \($0 % 13) logs. " }.joined())
    var peaks: [Int] = []
    let bytesPerLayer = try writeModel(layers: 4, to: folder.path + "/4")
    _ = try writeModel(layers: 16, to: folder.path + "/16")
    for layers in [4, 16] {
      let run = try CommandRun(
        "compress", folder.path + "/\(layers)", "-o", folder.path + "/small\(layers)", "--method", "gptq",
        "--calibration", text, "--calibration-tokens", "640", "--calibration-window", "32",
        "--skip-measuring", "--json")
      #expect(run.code == 0, "\(run.talk)")
      peaks.append(try #require(try run.json["peak_memory_bytes"]?.int))
    }
    #expect(peaks[1] - peaks[0] < 12 * bytesPerLayer / 4, "\(peaks) with \(bytesPerLayer) bytes per layer")
  }

  /// Writes a Llama of random weights with the tiny model's tokenizer; the bytes of a layer.
  private func writeModel(layers: Int, to path: String) throws -> Int {
    let source = try Checkpoint(path: tinyModel)
    guard case .decoder(let tiny) = try source.model() else { return 0 }
    var shape = tiny.configuration
    (shape.width, shape.feedForwardWidth, shape.heads, shape.keyValueHeads, shape.headDimension) = (
      256, 704, 4, 2, 64
    )
    shape.layers = Array(repeating: tiny.configuration.layers[0], count: layers)
    var random = SeededGenerator(seed: 1)
    func map(_ role: Place.Role, _ layer: Int?, _ rows: Int, _ columns: Int) -> Linear {
      let values = (0..<(rows * columns)).map { _ in (random.uniform() - 0.5) / 16 }
      return Linear(
        .dense(Dense(Matrix(rows: rows, columns: columns, values: values))), at: Place(role, layer: layer))
    }
    func norm(_ role: NormPlace.Role, _ layer: Int? = nil) -> Norm {
      Norm(
        .rootMeanSquare, weight: [Float](repeating: 1, count: 256), epsilon: shape.normEpsilon,
        at: NormPlace(role, layer: layer))
    }
    let made = (0..<layers).map { layer in
      Decoder.Layer(
        attentionNorm: norm(.attention, layer), query: map(.query, layer, 256, 256),
        key: map(.key, layer, 128, 256),
        value: map(.value, layer, 128, 256), queryNorm: nil, keyNorm: nil,
        attentionOutput: map(.attentionOutput, layer, 256, 256), attentionOutputNorm: nil,
        feedForwardNorm: norm(.feedForward, layer),
        gate: map(.gate, layer, 704, 256), up: map(.up, layer, 704, 256), down: map(.down, layer, 256, 704),
        feedForwardOutputNorm: nil)
    }
    let decoder = Decoder(
      configuration: shape, embedding: map(.embedding, nil, shape.vocabularySize, 256), layers: made,
      finalNorm: norm(.final), untiedHead: nil)
    var configuration = try source.huggingFaceConfiguration()
    for (name, value) in [
      ("hidden_size", 256), ("intermediate_size", 704), ("num_attention_heads", 4),
      ("num_key_value_heads", 2),
      ("head_dim", 64), ("num_hidden_layers", layers),
    ] { configuration[name] = .int(value) }
    configuration["tie_word_embeddings"] = true
    let contents = ModelContents(decoder)
    let staged = try StagedFolder(path, filledAt: path + ".partial", overwrite: false)
    _ = try staged.writeCheckpoint(
      matrices: contents.maps.map { ($0.name, $0.map.weight) }, vectors: contents.vectors,
      configuration: configuration, files: try source.companionFiles())
    try staged.commit()
    return 4 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 704 * 256)
  }
}
