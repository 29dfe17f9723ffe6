import PithCheckpoints
import PithModels
import PithQuantization
import PithTensors
import PithWeights

/// What a recipe would do to a model, found without doing it.
///
/// Bytes and times come from trying each method on a few rows of noise of each width, and going on from there.
public struct Explanation: Sendable {
  /// What would happen to one matrix.
  public struct Line: Sendable {
    /// The plan.
    public let entry: Plan.Entry
    /// The storage in a few words.
    public let storage: String
    /// Stored bytes.
    public let bytes: Int
    /// Seconds that the methods would take.
    public let seconds: Double
  }

  /// The shape of the model as it is, and as the steps see it.
  let before, after: ModelShape
  /// One line per matrix.
  public let lines: [Line]
  /// Bytes of the whole model.
  public let bytes: Int
  /// Bits per weight of the layers' matrices.
  public let bitsPerWeight: Double
  /// Seconds that it would take, calibration included.
  public let seconds: Double
  /// The most memory that it would take, in bytes.
  public let peakMemory: Int

  /// Explains a recipe.
  ///
  /// - Parameters:
  ///   - tokens: calibration tokens that would be read.
  ///   - memory: what calibration rows may take.
  /// - Throws: what reading the model throws, and `RecipeError` for a step that matches nothing.
  public init(
    _ recipe: Recipe, _ source: Checkpoint, tokens: Int, memory: Int = Compression.defaultMemory,
    on pool: ThreadPool
  ) throws {
    let model = try source.model()
    let outline = try recipe.outline(model)
    (before, after) = (ModelShape(model), ModelShape(outline))
    let contents = ModelContents(outline)
    let plan = try Plan(recipe, for: contents)
    var trials: [String: Trial] = [:]
    var lines: [Line] = []
    for (entry, map) in zip(plan.entries, contents.maps.map(\.map)) {
      guard entry.quantizer != nil else {
        lines.append(Line(entry: entry, storage: map.weight.summary, bytes: entry.bytes, seconds: 0))
        continue
      }
      let isMadeOfRows =
        if case .quantizer(let method)? = entry.quantizer?.method { method.isMadeOfRows } else { true }
      let key = "\(entry.summary) \(entry.columns)" + (isMadeOfRows ? "" : " \(entry.rows)")
      let trial = try trials[key] ?? Trial(entry, on: pool)
      trials[key] = trial
      lines.append(
        Line(
          entry: entry, storage: trial.storage, bytes: trial.bytes(rows: entry.rows),
          seconds: trial.seconds(rows: entry.rows)))
    }
    let layers = lines.filter { $0.entry.place.layer != nil && $0.entry.quantizer != nil }
    let weights = layers.reduce(0) { $0 + $1.entry.rows * $1.entry.columns }
    bitsPerWeight = Double(layers.reduce(0) { $0 + $1.bytes }) * 8 / Double(max(weights, 1))
    bytes = lines.reduce(0) { $0 + $1.bytes } + contents.vectors.reduce(0) { $0 + $1.values.count * 4 }
    let observes = plan.entries.contains(where: \.needsCalibration)
    let readings = (observes ? 1.0 : 0) + (recipe.drop?.needsCalibration == true ? 1 : 0)
    seconds =
      lines.reduce(0) { $0 + $1.seconds } + (readings > 0 ? readings * Self.reading(plan, tokens, pool) : 0)
    let widest = plan.entries.map { $0.rows * $0.columns }.max() ?? 0
    let rows = readings > 0 ? min(memory, tokens * Self.floatsPerToken(plan) * 4) : 0
    let parts =
      readings > 0
      ? 8 * 4096 * (layers.map { max($0.entry.rows, $0.entry.columns) }.max() ?? 0) * 4 : 0
    // H in both precisions, its factors and what a transform makes of it.
    let observed = readings > 0 ? layers.map(\.entry.columns).max() ?? 0 : 0
    peakMemory = rows + parts + 6 * observed * observed * 8 + widest * 4 * 4 + 50_000_000
    self.lines = lines
  }

  /// What is cut out whole, in a few words; nil for nothing.
  public var pruning: String? { before == after ? nil : before.change(to: after) }

  /// Floats that are kept for each token: the residual stream twice and the widest input of a layer.
  private static func floatsPerToken(_ plan: Plan) -> Int {
    let inputs = plan.entries.filter { $0.place.layer != nil }.map(\.columns)
    return 3 * (inputs.min() ?? 0) + (inputs.max() ?? 0)
  }

  /// Seconds for the tokens to go through the layers and be observed, from the speed of a product.
  private static func reading(_ plan: Plan, _ tokens: Int, _ pool: ThreadPool) -> Double {
    let x = Matrix(rows: 512, columns: 512)
    let weight = StoredMatrix.dense(Dense(x))
    let clock = ContinuousClock()
    let time = (0..<4).map { _ in clock.measure { _ = weight.multiply(x, on: pool) } }.min()! / .seconds(1)
    let perSecond = 512.0 * 512 * 512 / max(time, 1e-9)
    let layers = plan.entries.filter { $0.place.layer != nil }
    let products = layers.reduce(0) { $0 + $1.rows * $1.columns }
    let observed = layers.filter { [.query, .attentionOutput, .gate, .up, .down].contains($0.place.role) }
    let grams = observed.reduce(0) { $0 + $1.columns * $1.columns / 2 }
    return Double(tokens) * Double(products + grams) * 1.3 / perSecond
  }

  /// A method tried on a few rows of noise.
  private struct Trial {
    let storage: String
    private let few: (rows: Int, bytes: Int, seconds: Double)
    private let more: (rows: Int, bytes: Int, seconds: Double)

    init(_ entry: Plan.Entry, on pool: ThreadPool) throws {
      var generator = SeededGenerator(seed: 1)
      var observer = InputObserver(columns: entry.columns)
      let noise = { (rows: Int) in
        Matrix(
          rows: rows, columns: entry.columns,
          values: (0..<(rows * entry.columns)).map { _ in generator.uniform() - 0.5 })
      }
      if entry.needsCalibration { observer.add(noise(min(2 * entry.columns, 512))) }
      let statistics = entry.needsCalibration ? observer.statistics : nil
      func run(_ rows: Int) throws -> (StoredMatrix, Double) {
        let weight = noise(rows)
        let clock = ContinuousClock()
        let start = clock.now
        let matrix = try entry.quantized(weight, statistics, on: pool)
        return (matrix, (clock.now - start) / .seconds(1))
      }
      if case .quantizer(let method)? = entry.quantizer?.method, !method.isMadeOfRows {
        let whole = try run(entry.rows)
        storage = whole.0.summary
        more = (entry.rows, whole.0.byteCount, whole.1)
        few = (0, 0, 0)
        return
      }
      // A row of OBQ or OBC takes as long as many of others; each thread has one at a time.
      let trial = ["obq", "obc"].contains(entry.quantizer?.method.name) ? pool.threads : 32
      let (small, large) = (try run(trial), try run(2 * trial))
      storage = large.0.summary
      few = (small.0.rows, small.0.byteCount, small.1)
      more = (large.0.rows, large.0.byteCount, large.1)
    }

    func bytes(rows: Int) -> Int {
      more.bytes + (more.bytes - few.bytes) * (rows - more.rows) / (more.rows - few.rows)
    }

    func seconds(rows: Int) -> Double {
      let perRow = max(0, more.seconds - few.seconds) / Double(more.rows - few.rows)
      return more.seconds + perRow * Double(rows - more.rows)
    }
  }
}

extension Plan.Entry {
  /// A weight by itself through the entry's steps.
  func quantized(_ weight: Matrix, _ statistics: InputStatistics?, on pool: ThreadPool) throws -> StoredMatrix
  {
    try Recipe.quantize(weight, statistics, steps: transforms + [quantizer].compactMap { $0 }, on: pool)
  }
}

extension Recipe {
  /// A weight by itself through steps, of which the last quantizes.
  static func quantize(
    _ weight: Matrix, _ statistics: InputStatistics?, steps: [Step], on pool: ThreadPool
  ) throws -> StoredMatrix {
    var (weight, statistics, chain) = (weight, statistics, [InputTransform]())
    guard let last = steps.last, case .quantizer(let method) = last.method else {
      return .dense(Dense(weight))
    }
    for step in steps {
      guard case .transform(let preparing) = step.method,
        let transform = try preparing.transform(
          [weight], statistics, options: step.options, quantizer: last.options, on: pool)
      else { continue }
      weight = transform.behind(weight, on: pool)
      statistics = statistics?.transformed(by: transform, on: pool)
      chain.append(transform)
    }
    let matrix = try method.quantize(weight, statistics, options: last.options, on: pool).matrix
    return chain.reversed().reduce(matrix) { .transformed(Transformed($1, $0)) }
  }
}
