import PithModels
import PithQuantization

/// What the search may choose from for a matrix: steps that end in a quantizer.
struct Candidate: Sendable {
  /// What people call it.
  let name: String
  /// The steps.
  let steps: [Recipe.Step]

  /// The candidates for matrices of layers, from the smallest to the largest.
  static let layers: [Candidate] = {
    let widths: [(bits: Int, groupSize: Int)] = [
      (2, 64), (2, 32), (3, 128), (3, 64), (4, 128), (4, 64), (5, 64), (6, 64), (8, 64),
    ]
    return widths.map { width in
      let options = QuantizationOptions(
        bits: width.bits, groupSize: width.groupSize, rangeSearch: .squaredError, actOrder: .static)
      return Candidate(
        name: "rotate → gptq \(width.bits) bits, groups of \(width.groupSize)",
        steps: [
          Recipe.Step(.transform(InputTransformMethod.named("rotate")!)),
          Recipe.Step(.quantizer(.named("gptq")!), options: options),
        ])
    }
  }()

  /// The candidates for embeddings and output heads.
  static let embeddings: [Candidate] = [4, 5, 6, 8].map { bits in
    Candidate(
      name: "rtn \(bits) bits, groups of 64",
      steps: [
        Recipe.Step(
          .quantizer(.named("rtn")!),
          options: QuantizationOptions(bits: bits, groupSize: 64, rangeSearch: .squaredError),
          layers: LayerSelection(roles: [.embedding, .head]))
      ])
  }
}
