import PithCheckpoints
import PithModels
import PithQuantization
import PithSparsity
import PithTensors

/// Which steps of a recipe each matrix of a model goes through.
public struct Plan: Sendable {
  /// What happens to one matrix.
  public struct Entry: Sendable {
    /// The matrix's name in the file.
    public let name: String
    /// Where it stands.
    public let place: Place
    /// Outputs.
    public let rows: Int
    /// Inputs.
    public let columns: Int
    /// Its bytes as it came.
    public let bytes: Int
    /// The preparing steps, in order.
    public let transforms: [Recipe.Step]
    /// The step that gives it its storage; nil to leave it as it is.
    public fileprivate(set) var quantizer: Recipe.Step?

    /// Whether calibration must see the matrix's input.
    var needsCalibration: Bool {
      quantizer != nil && (transforms + [quantizer!]).contains(where: \.needsCalibration)
    }

    /// The steps in a few words.
    public var summary: String {
      quantizer.map { (transforms + [$0]).map(\.summary).joined(separator: " → ") } ?? "as it is"
    }
  }

  /// One entry per matrix, in the order of the model.
  public private(set) var entries: [Entry]

  private let positions: [Place: Int]

  /// The plan of a recipe for a model.
  ///
  /// - Throws: `RecipeError` for a step that applies to no matrix, or to layers that are not there.
  public init(_ recipe: Recipe, for contents: ModelContents) throws(RecipeError) {
    let layers = 1 + (contents.maps.compactMap(\.map.place.layer).max() ?? -1)
    for (index, step) in recipe.steps.enumerated() {
      if let beyond = step.layers.indices?.map(\.upperBound).max(), beyond >= layers {
        throw .step(
          index + 1, "layer \(beyond) is not there: the last of the \(layers) layers is \(layers - 1).")
      }
      guard contents.maps.contains(where: { step.layers.contains($0.map.place, name: $0.name) }) else {
        throw .matchesNothing(index + 1, step.layers.description)
      }
    }
    let entries = contents.maps.map { name, map in
      let matching = recipe.steps.filter { $0.layers.contains(map.place, name: name) }
      var transforms = matching.filter { if case .transform = $0.method { true } else { false } }
      var quantizer = matching.last { if case .quantizer = $0.method { true } else { false } }
      if quantizer == nil {
        transforms = []
        if map.place.role == .embedding || map.place.role == .head {
          quantizer = recipe.embeddingBits.map(Self.embeddingStep)
        }
      }
      return Entry(
        name: name, place: map.place, rows: map.weight.rows, columns: map.weight.columns,
        bytes: map.weight.byteCount, transforms: transforms, quantizer: quantizer)
    }
    for (index, step) in recipe.steps.enumerated() {
      guard case .quantizer(let method) = step.method else { continue }
      let isLast = contents.maps.contains { name, map in
        let later = recipe.steps[(index + 1)...].contains { other in
          if case .quantizer = other.method { other.layers.contains(map.place, name: name) } else { false }
        }
        return step.layers.contains(map.place, name: name) && !later
      }
      if !isLast { throw .replaced(index + 1, method.name) }
    }
    self.entries = entries
    positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.place, $0) })
  }

  /// Finds which weights go where a step looks at all its matrices together. Of those that are equal, each matrix loses the same share.
  mutating func findCutoffs(_ contents: ModelContents, on pool: ThreadPool) {
    let weights = Dictionary(uniqueKeysWithValues: contents.maps.map { ($0.map.place, $0.map.weight) })
    let sought = entries.indices.filter { entries[$0].quantizer?.options.scope == .model }
    for (_, indices) in Dictionary(grouping: sought, by: { entries[$0].quantizer!.json.text() }) {
      guard case .share(let share) = entries[indices[0]].quantizer!.options.sparsity else { continue }
      func forEach(_ body: (Int, [Float]) -> Void) {
        for index in indices {
          let weight = weights[entries[index].place]!
          body(index, weight.decoded(on: pool).values)
          weight.releasePages()
        }
      }
      var magnitudes = MagnitudeCutoff()
      forEach { magnitudes.count($1) }
      magnitudes.narrow(to: share)
      forEach { magnitudes.refine($1) }
      var (limit, equal) = magnitudes.cutoff
      forEach { index, weights in
        let own = weights.count { $0.magnitude == limit.magnitude }
        let going = Int((Double(limit.equal) * Double(own) / Double(max(equal, 1))).rounded())
        entries[index].quantizer!.options.cutoff = .init(magnitude: limit.magnitude, equal: going)
        limit.equal -= going
        equal -= own
      }
    }
  }

  /// The entry of a place.
  subscript(place: Place) -> Entry { entries[positions[place]!] }

  /// Embeddings are rounded to nearest in groups of 64.
  private static func embeddingStep(bits: Int) -> Recipe.Step {
    Recipe.Step(
      .quantizer(.named("rtn")!), options: MethodOptions(bits: bits, groupSize: 64),
      layers: LayerSelection(roles: [.embedding, .head]))
  }
}
