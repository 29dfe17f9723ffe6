import PithModels
import PithQuantization
import PithSparsity

/// What the search may choose from for a matrix: steps that end in a quantizer.
struct Candidate: Sendable {
  /// What people call it.
  let name: String
  /// How it stores a matrix.
  let kind: Kind
  /// The steps.
  let steps: [Recipe.Step]

  /// How a candidate stores a matrix.
  enum Kind { case integers, additive, sparse, half }

  /// The candidates for matrices of layers, from the smallest to the largest.
  ///
  /// Measured on matrices of a language model, sums of codewords with three bits lose no more than integers with a
  /// quarter of a bit more; with four, no more than with a tenth. Small matrices are not worth a table.
  static let layers: [Candidate] = [
    additive(bits: 6, dimension: 8), additive(bits: 6, dimension: 6), additive(bits: 8, dimension: 8),
    scalar(bits: 2, groupSize: 64), additive(bits: 8, dimension: 6), additive(bits: 6, dimension: 4),
    scalar(bits: 3, groupSize: 64), additive(bits: 7, dimension: 4),
    scalar(bits: 4, groupSize: 128), scalar(bits: 4, groupSize: 64), scalar(bits: 5, groupSize: 64),
    scalar(bits: 6, groupSize: 64), scalar(bits: 8, groupSize: 64), half(LayerSelection()),
    // Between the others in size; where weights are of little use, they may lose less.
    sparse(bits: 4, share: 0.5), sparse(bits: 8, share: 0.5),
  ]

  private static func scalar(bits: Int, groupSize: Int) -> Candidate {
    let options = MethodOptions(
      bits: bits, groupSize: groupSize, rangeSearch: .squaredError, actOrder: .static)
    return Candidate(
      name: "rotate → gptq \(bits) bits, groups of \(groupSize)", kind: .integers,
      steps: [
        Recipe.Step(.transform(InputTransformMethod.named("rotate")!)),
        Recipe.Step(.quantizer(.named("gptq")!), options: options),
      ])
  }

  /// Sums of codewords need no rotation: they are fitted to where the weights lie.
  private static func additive(bits: Int, dimension: Int) -> Candidate {
    let method = CompressionMethod.named("aq")!
    var options = method.defaults
    (options.bits, options.dimension) = (bits, dimension)
    return Candidate(
      name: "aq \(options.codebooks) × \(1 << bits) vectors of \(dimension)", kind: .additive,
      steps: [Recipe.Step(.quantizer(method), options: options)])
  }

  /// Half of the weights, in few bits behind a mask.
  private static func sparse(bits: Int, share: Float) -> Candidate {
    let method = CompressionMethod.sparsity.first { $0.name == "sparsegpt" }!
    var options = method.defaults
    (options.bits, options.sparsity) = (bits, .share(share))
    return Candidate(
      name: "sparsegpt \(options.sparsity.text), \(bits) bits", kind: .sparse,
      steps: [Recipe.Step(.quantizer(method), options: options)])
  }

  /// What is left where eight bits are not enough.
  private static func half(_ layers: LayerSelection) -> Candidate {
    Candidate(
      name: "float16", kind: .half, steps: [Recipe.Step(.quantizer(.named("float16")!), layers: layers)])
  }

  /// The candidates for embeddings and output heads, from the smallest to the largest.
  static let embeddings: [Candidate] =
    [4, 5, 6, 8].map { bits in
      Candidate(
        name: "rtn \(bits) bits, groups of 64", kind: .integers,
        steps: [
          Recipe.Step(
            .quantizer(.named("rtn")!),
            options: MethodOptions(bits: bits, groupSize: 64, rangeSearch: .squaredError),
            layers: LayerSelection(roles: [.embedding, .head]))
        ])
    } + [half(LayerSelection(roles: [.embedding, .head]))]
}
