import PithCheckpoints
import PithModels
import PithQuantization
import PithSparsity
import PithTensors
import PithWeights

/// The way of one model through the pruning of its heads and neurons, layer by layer.
final class PruningRun {
  private(set) var reports: [MatrixReport] = []
  /// The heads that go, by layer.
  private(set) var headsDropped: [[Int]] = []

  private let pruning: StructuredPruning
  private let model: Model
  private let shape: ModelShape
  private let workspace: Workspace
  private let pool: ThreadPool
  private let maps: [Place: Linear]
  private let names: [Place: String]
  /// The maps that are cut.
  private var pruned: [Place: Linear] = [:]

  /// - Parameters:
  ///   - model: without the layers that go.
  ///   - shape: what the model is to have.
  init(
    pruning: StructuredPruning, model: Model, shape: ModelShape, workspace: Workspace, pool: ThreadPool
  ) {
    self.pruning = pruning
    self.model = model
    self.shape = shape
    self.workspace = workspace
    self.pool = pool
    let contents = ModelContents(model)
    maps = Dictionary(uniqueKeysWithValues: contents.maps.map { ($0.map.place, $0.map) })
    names = Dictionary(uniqueKeysWithValues: contents.maps.map { ($0.map.place, $0.name) })
  }

  /// Prunes every layer; what comes after sees what is left of it.
  func prune(_ calibration: Calibration?, memory: Int, progress: @escaping () -> Void) throws {
    guard pruning.score == .secondOrder, let calibration else {
      for map in model.maps {
        if isPruned(map) { _ = try prune(map, nil) }
        if map.place.role == .down { progress() }
      }
      return
    }
    let budget = RowBudget(bytes: memory, folder: workspace.parent)
    try model.observe(calibration.sequences, budget: budget, on: pool) { maps, input in
      let left = try maps.map { try self.isPruned($0) ? self.prune($0, input) : $0 }
      for map in maps { map.weight.releasePages() }
      if maps[0].place.role == .down { progress() }
      return Observation.Replacement(maps: left)
    }
  }

  /// The model that is left, every matrix stored plainly.
  func finish() throws -> Model {
    let left = model.reshaped(shape) { pruned[$0.place] ?? $0 }
    var plain: [Place: StoredMatrix] = [:]
    for (index, map) in left.maps.enumerated() {
      if case .dense = map.weight { continue }
      plain[map.place] = try kept(
        2 * shape.layers + index,
        {
          let matrix = try plainly(map.weight.decoded(on: pool), like: map)
          map.weight.releasePages()
          return CompressedGroup(matrices: [(names[map.place]!, matrix)])
        }
      ).matrices[0].matrix
    }
    return left.replacingWeights { plain[$0.place] ?? $0.weight }
  }

  /// Whether inputs of a map go.
  private func isPruned(_ map: Linear) -> Bool {
    map.place.role == .attentionOutput && pruning.heads > 0
      || map.place.role == .down && pruning.neurons > 0
  }

  /// Prunes the inputs of a map, and the outputs of the maps that make them.
  ///
  /// - Returns: the map with zeros for the inputs that go.
  private func prune(_ map: Linear, _ input: Observation.Input?) throws -> Linear {
    let index = 2 * map.place.layer! + (map.place.role == .down ? 1 : 0)
    let group = try kept(index) { try compress(map, input) }
    let producers = producers(of: map)
    for (producer, named) in zip(producers, group.matrices) {
      let rows = rows(of: producer, for: group.inputs!)
      pruned[producer.place] = Linear(
        named.matrix, bias: producer.bias.map { bias in rows.map { bias[$0] } }, at: producer.place)
    }
    if map.place.role == .attentionOutput {
      let left = Set(group.inputs!.map { $0 / shape.headDimension })
      headsDropped.append((0..<(map.weight.columns / shape.headDimension)).filter { !left.contains($0) })
    }
    let narrow = group.matrices.last!.matrix
    pruned[map.place] = Linear(narrow, bias: map.bias, at: map.place)
    reports += group.reports
    let wide = narrow.decoded(on: pool).scattered(to: group.inputs!, of: map.weight.columns)
    return Linear(.dense(Dense(wide)), bias: map.bias, at: map.place)
  }

  /// A group of the workspace, made if it is not there yet.
  private func kept(_ index: Int, _ make: () throws -> CompressedGroup) throws -> CompressedGroup {
    if let done = try workspace.group(index) { return done }
    let made = try make()
    try workspace.keep(made, as: index)
    return try workspace.group(index) ?? made
  }

  private func compress(_ map: Linear, _ input: Observation.Input?) throws -> CompressedGroup {
    let clock = ContinuousClock()
    let start = clock.now
    let weight = map.weight.decoded(on: pool)
    let statistics = input?.statistics(on: pool)
    let (inputs, left, notes) = try choose(map, weight, statistics)
    var group = CompressedGroup(inputs: inputs)
    for producer in producers(of: map) {
      let rows = producer.weight.decoded(rows: rows(of: producer, for: inputs))
      group.matrices.append((names[producer.place]!, try plainly(rows, like: producer)))
      producer.weight.releasePages()
    }
    let narrow = try plainly(left.selecting(columns: inputs), like: map)
    group.matrices.append((names[map.place]!, narrow))
    let wide = narrow.decoded(on: pool).scattered(to: inputs, of: weight.columns)
    let isHeads = map.place.role == .attentionOutput
    let unit = isHeads ? shape.headDimension : 1
    group.reports = [
      MatrixReport(
        name: names[map.place]!,
        steps:
          "\(isHeads ? "heads" : "neurons") \(weight.columns / unit) → \(inputs.count / unit), \(pruning.score.rawValue)",
        storage: narrow.summary, bytes: narrow.byteCount, weights: narrow.rows * narrow.columns,
        loss: statistics.map { $0.relativeLoss(of: wide, to: weight, on: pool) }, notes: notes,
        seconds: (clock.now - start) / .seconds(1))
    ]
    return group
  }

  /// The inputs of a map that stay, rising, and the map with the others' columns given to them.
  private func choose(_ map: Linear, _ weight: Matrix, _ statistics: InputStatistics?) throws -> (
    inputs: [Int], weight: Matrix, notes: [String]
  ) {
    guard let statistics else {
      var score = BlockMagnitude(squares: squares(map, weight))
      return (select(map, &score), weight, [])
    }
    let all = Array(0..<weight.columns)
    let factor: InverseFactor
    do throws(MethodError) {
      factor = try InverseFactor(statistics, order: all, damping: MethodOptions().damping)
    } catch {
      throw CompressionError(matrix: names[map.place]!, error)
    }
    let inverse = factor.inverse
    var score = BlockSurgeon(weight, inverse: inverse)
    let inputs = select(map, &score)
    let gone = Set(all).subtracting(inputs).sorted()
    let left = BlockSurgeon.compensated(weight, without: gone, inverse: inverse, on: pool)
    return (inputs, left, factor.notes.map(\.description))
  }

  private func select(_ map: Linear, _ score: inout some BlockScore) -> [Int] {
    let full = ModelShape(model)
    if map.place.role == .attentionOutput {
      let selection = HeadSelection(from: full, to: shape, &score, on: pool)
      return selection.heads.flatMap { head in
        Array((head * full.headDimension)..<((head + 1) * full.headDimension))
      }
    }
    var left = Array(0..<full.neurons)
    while left.count > shape.neurons {
      left.remove(at: score.removeLeast(of: left.map { $0..<($0 + 1) }, on: pool))
    }
    return left
  }

  /// The squares of all weights that go with each input.
  private func squares(_ map: Linear, _ weight: Matrix) -> [Double] {
    var sums = [Double](repeating: 0, count: weight.columns)
    for row in 0..<weight.rows {
      for (column, value) in weight[row: row].enumerated() { sums[column] += Double(value) * Double(value) }
    }
    for producer in producers(of: map) {
      let rows = producer.weight.decoded(on: pool)
      let energies = (0..<rows.rows).map { rows[row: $0].reduce(0) { $0 + Double($1) * Double($1) } }
      // A key-value head's weights are shared by the query heads of its group.
      let shares = weight.columns / rows.rows
      for column in sums.indices {
        sums[column] += energies[output(of: producer, for: column)] / Double(shares)
      }
    }
    return sums
  }

  /// The maps that make the inputs of a map.
  private func producers(of map: Linear) -> [Linear] {
    let roles: [Place.Role] =
      map.place.role == .attentionOutput ? [.query, .key, .value] : [.gate, .up]
    return roles.compactMap { maps[Place($0, layer: map.place.layer)] }
  }

  /// The outputs of a producer that stay with some inputs, rising.
  private func rows(of producer: Linear, for inputs: [Int]) -> [Int] {
    Set(inputs.map { output(of: producer, for: $0) }).sorted()
  }

  /// The output of a producer that an input needs: its own, or that of its group's key-value head.
  private func output(of producer: Linear, for input: Int) -> Int {
    guard producer.place.role == .key || producer.place.role == .value else { return input }
    let full = ModelShape(model)
    let each = full.heads / (full.keyValueHeads ?? full.heads)
    let (head, offset) = input.quotientAndRemainder(dividingBy: full.headDimension)
    return head / each * full.headDimension + offset
  }

  /// A matrix as every tool reads it.
  private func plainly(_ matrix: Matrix, like map: Linear) throws -> StoredMatrix {
    switch map.weight.plainFormat {
    case .float32: return .dense(Dense(matrix))
    case .bfloat16:
      return .dense(
        Dense(
          rows: matrix.rows, columns: matrix.columns, format: .bfloat16,
          values: Bytes(copying: matrix.values.map(BrainFloat.encode))))
    case .float16:
      do throws(MethodError) {
        let method = CompressionMethod.named("float16")!
        return try method.quantize(matrix, options: method.defaults, on: pool).matrix
      } catch {
        throw CompressionError(matrix: names[map.place]!, error)
      }
    }
  }
}

extension Matrix {
  /// Some of the columns, in their order.
  fileprivate func selecting(columns chosen: [Int]) -> Matrix {
    Matrix(
      rows: rows, columns: chosen.count,
      values: (0..<rows).flatMap { row in chosen.map { self[row, $0] } })
  }

  /// The columns in other places of a wider matrix of zeros.
  fileprivate func scattered(to places: [Int], of columns: Int) -> Matrix {
    var wide = Matrix(rows: rows, columns: columns)
    for row in 0..<rows { for (index, place) in places.enumerated() { wide[row, place] = self[row, index] } }
    return wide
  }
}
