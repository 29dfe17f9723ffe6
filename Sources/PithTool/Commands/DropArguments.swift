import ArgumentParser
import PithCompression

/// What is cut out of a model whole.
struct DropArguments: ParsableArguments {
  @Option(
    help:
      "Layers that go: those that change the residual stream least, seen on the first 4096 tokens of the calibration text."
  )
  var dropLayers: Int?

  @Option(
    help:
      "The share of each layer's attention heads that goes, such as 0.25, or more: what stays is in groups of one size that share a key-value head."
  )
  var dropHeads: Double?

  @Option(help: "The share of each layer's feed-forward neurons that goes, such as 0.25.")
  var dropNeurons: Double?

  @Option(
    help:
      "How heads and neurons are chosen: second-order, by a text, and the rest makes up for them; or magnitude (default: second-order)."
  )
  var dropScore: StructuredPruning.Score?

  var isGiven: Bool { dropLayers != nil || dropHeads != nil || dropNeurons != nil || dropScore != nil }

  /// What the flags say; nil for nothing.
  var pruning: StructuredPruning? {
    get throws(RecipeError) {
      guard isGiven else { return nil }
      return try StructuredPruning(
        layers: dropLayers ?? 0, heads: dropHeads ?? 0, neurons: dropNeurons ?? 0,
        score: dropScore ?? .secondOrder)
    }
  }
}

extension StructuredPruning.Score: ExpressibleByArgument {}
