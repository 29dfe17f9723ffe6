import PithModels

/// The recipe of least estimated divergence that meets a target: an exact choice from a sensitivity table.
public struct AutomaticRecipe: Sendable {
  /// What was chosen for one matrix.
  public struct Choice: Sendable {
    /// The matrix.
    public let name: String
    /// The candidate in words.
    public let candidate: String
    /// Stored bytes.
    public let bytes: Int
    /// The number of weights.
    public let weights: Int
    /// The estimated divergence that it causes, in nats.
    public let divergence: Double
  }

  /// The recipe.
  public let recipe: Recipe
  /// One choice per matrix, in the order of the model.
  public let choices: [Choice]
  /// Bytes of the whole model.
  public let bytes: Int
  /// The sum of the estimated divergences, in nats.
  public let divergence: Double

  /// The best recipe within a size.
  ///
  /// - Throws: `TargetError.tooSmall` if there is none.
  public init(_ table: SensitivityTable, bytes limit: Int) throws {
    let lists = table.rows.map(\.choices)
    guard let chosen = MultipleChoiceKnapsack.solve(lists, limit: limit - table.otherBytes) else {
      let smallest = lists.reduce(table.otherBytes) { $0 + $1.map(\.size).min()! }
      throw TargetError.tooSmall(bytes: limit, smallest: smallest)
    }
    try self.init(table, chosen)
  }

  /// The best recipe with so many bits per weight in the layers; embeddings get 8 bits.
  ///
  /// - Throws: `TargetError.tooSmall` if there is none.
  public init(_ table: SensitivityTable, bitsPerWeight limit: Double) throws {
    let layers = table.rows.filter { $0.place.layer != nil }
    let weights = layers.reduce(0) { $0 + $1.weights }
    guard
      let chosen = MultipleChoiceKnapsack.solve(
        layers.map(\.choices), limit: Int(limit * Double(weights) / 8))
    else {
      let smallest = layers.reduce(0) { $0 + $1.choices.map(\.size).min()! }
      throw TargetError.tooSmall(bits: limit, smallestBytes: smallest, weights: weights)
    }
    var all = chosen[...]
    let eightBits = table.candidates.embeddings.firstIndex { $0.steps.last!.options.bits == 8 }!
    try self.init(table, table.rows.map { $0.place.layer == nil ? eightBits : all.removeFirst() })
  }

  private init(_ table: SensitivityTable, _ chosen: [Int]) throws {
    choices = zip(table.rows, chosen).map { row, index in
      Choice(
        name: row.name, candidate: table.candidates(of: row)[index].name, bytes: row.choices[index].size,
        weights: row.weights, divergence: row.choices[index].cost)
    }
    bytes = choices.reduce(table.otherBytes) { $0 + $1.bytes }
    divergence = choices.reduce(0) { $0 + $1.divergence }
    var steps: [Recipe.Step] = []
    for (isLayer, candidates) in [(true, table.candidates.layers), (false, table.candidates.embeddings)] {
      for (index, candidate) in candidates.enumerated() {
        let names = zip(table.rows, chosen).filter { ($0.place.layer != nil) == isLayer && $1 == index }.map(
          \.0.name)
        guard !names.isEmpty else { continue }
        for step in candidate.steps {
          var step = step
          step.layers.names = names
          steps.append(step)
        }
      }
    }
    recipe = try Recipe(steps: steps)
  }
}
