import ArgumentParser
import Pith
import PithCompression
import PithEvaluation
import PithJSON
import PithWeights

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows how a model is stored: each matrix, its storage, bytes and bits per weight.",
    discussion: "Where the folder carries checksums (SHA256SUMS), the files are checked against them.")

  @OptionGroup var model: ModelArguments

  func run() throws {
    let checkpoint = try Checkpoint(path: model.model)
    try Checksums.verify(folder: model.model)
    switch try checkpoint.model() {
    case .decoder(let decoder):
      let configuration = decoder.configuration
      var cost = Costing()
      _ = decoder.logits(decoder.states([0], &cost), &cost)
      let cache = KeyValueCache(configuration, capacity: 1).bytesPerPosition
      show(
        decoder, family: configuration.family.rawValue,
        facts: [
          "layers": configuration.layers.count, "width": configuration.width, "heads": configuration.heads,
          "key_value_heads": configuration.keyValueHeads, "vocabulary": configuration.vocabularySize,
          "context": configuration.contextLength, "multiply_adds_per_token": cost.multiplyAdds,
          "cache_bytes_per_token": cache,
        ])
    case .encoder(let encoder):
      let configuration = encoder.configuration
      show(
        encoder, family: configuration.family.rawValue,
        facts: [
          "layers": configuration.layers, "width": configuration.width, "heads": configuration.heads,
          "vocabulary": configuration.vocabularySize, "context": configuration.contextLength,
          "classes": encoder.classification == nil ? 0 : configuration.labels.count,
        ])
    }
  }

  private func show(_ transformer: some Transformer, family: String, facts: KeyValuePairs<String, Int>) {
    let size = ModelSize(transformer)
    if model.json {
      var report: JSONValue = ["model": .string(model.model), "architecture": .string(family)]
      for (name, value) in facts { report[name] = .int(value) }
      report.add(size)
      report["matrices"] = .array(
        transformer.maps.map { map in
          [
            "layer": map.place.layer.map { .int($0) } ?? .null, "role": .string(map.place.role.rawValue),
            "storage": .string(map.weight.summary), "rows": .int(map.weight.rows),
            "columns": .int(map.weight.columns), "bytes": .int(map.weight.byteCount),
            "bits_per_weight": .double(map.weight.bitsPerWeight),
          ]
        })
      Output.json(report)
      return
    }
    Output.result(
      "\(family): " + facts.map { "\($0.key.replacing("_", with: " ")) \($0.value)" }.joined(separator: ", "))
    var table = Table(["matrix", "storage", "rows", "columns", "bytes", "bits/weight"])
    for map in transformer.maps {
      let place = (map.place.layer.map { "layer \($0) " } ?? "") + map.place.role.rawValue
      table.add([
        place, map.weight.summary, "\(map.weight.rows)", "\(map.weight.columns)", "\(map.weight.byteCount)",
        Format.number(map.weight.bitsPerWeight, 3),
      ])
    }
    Output.result(table.text)
    let packed =
      size.bitsPerWeight.map { "\(Format.number($0, 3)) bits per weight in packed matrices, " } ?? ""
    Output.result(
      "\(size.parameters) parameters, \(Format.megabytes(size.bytes)), \(packed)"
        + "\(Format.number(size.bitsPerWeightOfModel, 3)) in the whole model")
  }
}
