import PithCheckpoints
import PithEvaluation
import PithModels
import PithQuantization
import PithSparsity
import PithTensors
import PithWeights

/// What each candidate would cost each matrix: bytes, and an estimate of the divergence of the whole model.
///
/// To first order the divergences of single matrices add up, and each is proportional to the matrix's layer loss. So two
/// things are measured: for every matrix, how far the model diverges when that matrix alone is rounded to three bits; and
/// for each role, in the first, middle and last layer, what share of the loss of that rounding each candidate has (slow
/// candidates: in the middle one alone).
public struct SensitivityTable: Sendable {
  /// One matrix.
  public struct Row: Sendable {
    /// Its name.
    public let name: String
    /// Where it stands.
    public let place: Place
    /// The number of weights.
    public let weights: Int
    /// One choice per candidate: bytes, and the estimated divergence in nats.
    public let choices: [MultipleChoiceKnapsack.Choice]
  }

  /// The matrices that the search decides on.
  public let rows: [Row]
  /// Bytes of everything else.
  public let otherBytes: Int
  /// The candidates of matrices in layers, and those of embeddings and heads.
  let candidates: (layers: [Candidate], embeddings: [Candidate])

  /// Whether a target allows more than the largest candidates take.
  public func isExceeded(by target: Target) -> Bool {
    func largest(_ rows: [Row]) -> Int { rows.reduce(0) { $0 + $1.choices.map(\.size).max()! } }
    switch target {
    case .size(let bytes): return largest(rows) + otherBytes < bytes
    case .bitsPerWeight(let bits):
      let layers = rows.filter { $0.place.layer != nil }
      return Double(largest(layers) * 8) < bits * Double(layers.reduce(0) { $0 + $1.weights })
    case .perplexityIncrease: return false
    }
  }

  /// The candidates of a row.
  func candidates(of row: Row) -> [Candidate] {
    row.place.layer == nil ? candidates.embeddings : candidates.layers
  }
}

/// Measures a sensitivity table of a decoder.
struct SensitivityMeasurement {
  let decoder: Decoder
  let contents: ModelContents
  let candidates: (layers: [Candidate], embeddings: [Candidate])
  let pool: ThreadPool

  /// Tokens that are read for losses, and windows for divergences: enough for an order of matrices.
  static let (tokens, probeWindows) = (16_384, 2)

  /// Reads calibration text, with divergences on windows that were held out.
  func measure(
    _ calibration: Calibration, memory: Int, folder: String,
    progress: @escaping (_ done: Int, _ total: Int) -> Void
  ) throws -> SensitivityTable {
    for (name, map) in contents.maps { try map.weight.checkFinite(name, on: pool) }
    let windows = Array((calibration.heldOut + calibration.sequences).prefix(Self.probeWindows))
    let probe = DivergenceProbe(decoder, windows: windows, pool: pool)
    var count = 0
    let sequences = calibration.sequences.prefix { sequence in
      defer { count += sequence.count }
      return count < Self.tokens
    }
    let batch = Batch(sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
    let names = Dictionary(uniqueKeysWithValues: contents.maps.map { ($0.map.place, $0.name) })
    let total = decoder.maps.count
    var divergences: [Place: Double] = [:]
    var shares: [Place.Role: [[Double?]]] = [:]
    let middle = decoder.layers.count / 2
    let sampled: Set<Int> = [0, middle, decoder.layers.count - 1]
    var failure: (any Error)?
    var run = Observation(
      batch, decoder.configuration, budget: RowBudget(bytes: memory, folder: folder), pool: pool
    ) { maps, input in
      do {
        for map in maps {
          divergences[map.place] = try divergence(map, probe)
          progress(divergences.count, total)
        }
        if let layer = maps.first?.place.layer, sampled.contains(layer) {
          let seen = input.statistics(on: pool)
          for map in maps {
            shares[map.place.role, default: []].append(
              try self.shares(map, seen, withSlow: layer == middle))
          }
        }
      } catch {
        failure = error
        return nil
      }
      return Observation.Replacement(maps: maps)
    }
    _ = decoder.states(batch.tokens, &run)
    if let failure { throw failure }
    var rows = decoder.maps.filter { divergences[$0.place] != nil }.map { map in
      row(map, names[map.place]!, divergences[map.place]!, shares[map.place.role]!)
    }
    for map in decoder.maps where map.place.role == .embedding || map.place.role == .head {
      rows.append(try embeddingRow(map, names[map.place]!, probe))
      progress(divergences.count + 1, total)
    }
    let other = contents.vectors.reduce(0) { $0 + $1.values.count * 4 }
    return SensitivityTable(rows: rows, otherBytes: other, candidates: candidates)
  }

  /// The rounding that everything is measured against: three bits behind a rotation.
  private static let yardstick = [
    Recipe.Step(.transform(InputTransformMethod.named("rotate")!)),
    Recipe.Step(
      .quantizer(.named("rtn")!),
      options: MethodOptions(bits: 3, groupSize: 64, rangeSearch: .squaredError)),
  ]

  /// How far the model diverges when one matrix is rounded.
  private func divergence(_ map: Linear, _ probe: DivergenceProbe) throws -> Double {
    let stored = try named(map) {
      try Recipe.quantize(map.weight.decoded(on: pool), nil, steps: Self.yardstick, on: pool)
    }
    var variant = decoder
    variant.replace(Linear(stored, bias: map.bias, at: map.place))
    return max(0, probe.divergence(of: variant, fromLayer: map.place.layer))
  }

  /// What a method throws, with the name of the matrix.
  private func named<Result>(_ map: Linear, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as MethodError {
      throw CompressionError(matrix: contents.maps.first { $0.map.place == map.place }?.name ?? "", error)
    }
  }

  /// The losses of candidates as shares of that of rounding, slow ones only if wanted; nil for one that is larger than dense, or cannot
  /// hold the weights.
  private func shares(_ map: Linear, _ seen: InputStatistics, withSlow: Bool) throws -> [Double?] {
    let weight = map.weight.decoded(on: pool)
    func loss(_ steps: [Recipe.Step]) throws -> Double {
      seen.relativeLoss(
        of: try Recipe.quantize(weight, seen, steps: steps, on: pool).decoded(on: pool), to: weight, on: pool)
    }
    let rounding = try named(map) { try loss(Self.yardstick) }
    return try candidates.layers.map { candidate in
      guard withSlow || !candidate.isSlow else { return nil }
      do { return rounding > 0 ? try loss(candidate.steps) / rounding : 1 } catch let error as MethodError {
        switch error {
        case .largerThanDense, .tooLarge, .valueTooLarge: return nil
        default: throw error
        }
      }
    }
  }

  /// The cost of a storage that a matrix is too small for.
  private static let unavailable = 1e30

  private func row(
    _ map: Linear, _ name: String, _ divergence: Double, _ shares: [[Double?]]
  ) -> SensitivityTable.Row {
    let choices = candidates.layers.enumerated().map { index, candidate in
      let known = shares.compactMap { $0[index] }
      let bytes = candidate.bytes(rows: map.weight.rows, columns: map.weight.columns)
      // Tables of vectors may take more than a small matrix itself.
      let isLarge = !candidate.isHalf && bytes >= 2 * map.weight.rows * map.weight.columns
      return MultipleChoiceKnapsack.Choice(
        size: bytes,
        cost: known.isEmpty || isLarge
          ? Self.unavailable : divergence * known.reduce(0, +) / Double(known.count))
    }
    return SensitivityTable.Row(
      name: name, place: map.place, weights: map.weight.rows * map.weight.columns, choices: choices)
  }

  private func embeddingRow(_ map: Linear, _ name: String, _ probe: DivergenceProbe) throws
    -> SensitivityTable.Row
  {
    let weight = map.weight.decoded(on: pool)
    let choices = try candidates.embeddings.map { candidate in
      let stored = try named(map) { try candidate.quantized(weight, nil, on: pool) }
      var variant = decoder
      variant.replace(Linear(stored, bias: map.bias, at: map.place))
      let isHead = map.place.role == .head
      let divergence = probe.divergence(of: variant, fromLayer: isHead ? decoder.layers.count : nil)
      return MultipleChoiceKnapsack.Choice(size: stored.byteCount, cost: max(divergence, 0))
    }
    return SensitivityTable.Row(
      name: name, place: map.place, weights: weight.rows * weight.columns, choices: choices)
  }
}

extension Candidate {
  /// A weight by itself through the steps.
  func quantized(_ weight: Matrix, _ statistics: InputStatistics?, on pool: ThreadPool) throws -> StoredMatrix
  {
    try Recipe.quantize(weight, statistics, steps: steps, on: pool)
  }

  /// Whether its codes are found by a search that takes seconds for a matrix.
  var isSlow: Bool { kind == .additive }

  /// Whether weights stay numbers of 16 bits.
  var isHalf: Bool { kind == .half }

  /// The bytes of a matrix in the candidate's storage.
  func bytes(rows: Int, columns: Int) -> Int {
    let options = steps.last!.options
    switch kind {
    case .half: return rows * columns * 2
    case .additive:
      let layout = VectorCodebook.Layout(
        dimension: options.dimension, codebooks: options.codebooks, bits: options.bits)
      let codes = Packing.bytesPerRow(layout.codesPerRow(columns), bits: options.bits)
      return rows * (codes + 2) + layout.tableShape.reduce(2, *)
    case .sparse:
      guard case .share(let share) = options.sparsity else { preconditionFailure("a share") }
      let groupSize = min(options.groupSize ?? columns, columns)
      let groups = (columns + groupSize - 1) / groupSize
      // A mask is chosen for the columns of a group, in all rows together.
      let stored = (0..<groups).reduce(0) { sum, group in
        let weights = rows * min(groupSize, columns - group * groupSize)
        return sum + weights - PruningMask.count(share, of: weights)
      }
      let table = options.bits == 4 ? 64 : 0
      return rows * (Masked.maskBytes(columns) + groups * 2) + (stored * options.bits + 7) / 8 + table
    case .integers:
      let groupSize = min(options.groupSize ?? columns, columns)
      let groups = (columns + groupSize - 1) / groupSize
      let zeros = Packing.bytesPerRow(groups, bits: options.bits)
      return rows * (Packing.bytesPerRow(columns, bits: options.bits) + zeros + groups * 2)
    }
  }
}

extension Decoder {
  /// Puts a map in its place.
  mutating func replace(_ map: Linear) {
    guard let layer = map.place.layer else {
      if map.place.role == .head { untiedHead = map } else { embedding = map }
      return
    }
    switch map.place.role {
    case .query: layers[layer].query = map
    case .key: layers[layer].key = map
    case .value: layers[layer].value = map
    case .attentionOutput: layers[layer].attentionOutput = map
    case .gate: layers[layer].gate = map
    case .up: layers[layer].up = map
    case .down: layers[layer].down = map
    default: preconditionFailure("no such map in a layer")
    }
  }
}
