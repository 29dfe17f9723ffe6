import PithTensors
import PithWeights

/// The interpreter that shows the inputs of matrices to an observer, which may put other matrices in their place.
///
///     var run = Observation(batch, decoder.configuration, budget: budget, pool: pool) { maps, input in
///       input.forEach { rows in … }                    // what the maps see
///       return Observation.Replacement(maps: smaller)  // what everything after sees
///     }
///     _ = decoder.states(batch.tokens, &run)
///
/// The rows of all sequences go through the model layer by layer, some sequences at a time. Values are recipes for
/// such parts; a part is computed when it is asked for. What is dear to compute (a residual stream, the inputs of an
/// output projection) is kept when it is first computed, in memory or aside, and dropped when its last user is done. So
/// one pass of the rows is one pass through the model, every matrix sees what compressed ones before it made, and
/// memory holds a few values of one layer, whatever the number of layers.
public struct Observation: Operations {
  /// A batch of activations, part by part.
  public final class Value {
    fileprivate let machine: Machine
    fileprivate let columns: Int
    fileprivate var compute: ((Int) -> Matrix)?
    fileprivate var kept: RowStore?

    fileprivate init(_ machine: Machine, columns: Int, _ compute: @escaping (Int) -> Matrix) {
      self.machine = machine
      self.columns = columns
      self.compute = compute
    }

    /// Keeps parts once they are computed.
    fileprivate func keeping() -> Value {
      kept = RowStore(parts: machine.runs.count, columns: columns, budget: machine.budget)
      return self
    }

    fileprivate func part(_ index: Int) -> Matrix {
      if let part = kept?[index] { return part }
      let part = compute!(index)
      kept?.write(part, part: index)
      return part
    }
  }

  /// What a group of maps sees.
  public struct Input {
    fileprivate let value: Value

    /// The width.
    public var columns: Int { value.columns }

    /// Calls `body` with all rows, some sequences at a time.
    public func forEach(_ body: (Matrix) -> Void) {
      for part in value.machine.runs.indices { body(value.part(part)) }
    }
  }

  /// What an observer puts in the place of maps.
  public struct Replacement {
    /// The maps that everything after sees.
    public var maps: [Linear]

    /// What the inputs of the maps are multiplied by, column by column: the norm before them changed.
    public var inputScale: [Float]?

    /// A replacement.
    public init(maps: [Linear], inputScale: [Float]? = nil) {
      self.maps = maps
      self.inputScale = inputScale
    }
  }

  /// Sees maps that share an input; nil to end the run as soon as possible.
  public typealias Observer = (_ maps: [Linear], _ input: Input) -> Replacement?

  /// What all values of a run share.
  fileprivate final class Machine {
    var runs: [Inference]
    let rows: [Range<Int>]
    let budget: RowBudget
    var isEnded = false

    init(_ runs: [Inference], _ rows: [Range<Int>], _ budget: RowBudget) {
      self.runs = runs
      self.rows = rows
      self.budget = budget
    }
  }

  private let machine: Machine
  private let observer: Observer

  /// An interpreter for all calibration rows.
  ///
  /// - Parameters:
  ///   - batch: the sequences, each from its position 0.
  ///   - configuration: the decoder's shape; nil for an encoder.
  ///   - rowsPerPart: about how many rows are computed at one time; a sequence is never cut.
  ///   - budget: how much memory kept values may take.
  ///   - pool: the threads that share the work.
  ///   - observer: sees each group of maps with its input, in the order of the model.
  public init(
    _ batch: Batch, _ configuration: DecoderConfiguration?, rowsPerPart: Int = 4096, budget: RowBudget,
    pool: ThreadPool, observer: @escaping Observer
  ) {
    var parts: [[Batch.Run]] = []
    for run in batch.runs {
      if let last = parts.last, last.reduce(0, { $0 + $1.rows.count }) + run.rows.count <= rowsPerPart {
        parts[parts.count - 1].append(run)
      } else {
        parts.append([run])
      }
    }
    let longest = batch.runs.map(\.rows.count).max() ?? 0
    let sequences = parts.map(\.count).max() ?? 0
    // One layer's keys and values, used again by every part and layer: a part attends only to itself.
    let cache = configuration.map { shape in
      var shape = shape
      shape.layers = Array(shape.layers.prefix(1))
      return KeyValueCache(shape, sequences: sequences, capacity: longest)
    }
    let runs = parts.map { runs in
      let part = Batch(
        runs.enumerated().map { (sequence: $0, position: 0, tokens: Array(batch.tokens[$1.rows])) })
      return Inference(part, cache: cache, pool: pool)
    }
    let rows = parts.map { $0.first!.rows.lowerBound..<$0.last!.rows.upperBound }
    machine = Machine(runs, rows, budget)
    self.observer = observer
  }

  /// Decodes the rows of the tokens.
  public func embed(_ rows: [Int32], from table: Linear, scale: Float) -> Value {
    let machine = machine
    return value(table.weight.columns) { part in
      machine.runs[part].embed(Array(rows[machine.rows[part]]), from: table, scale: scale)
    }
  }

  /// Normalizes.
  public func normalize(_ x: Value, _ norm: Norm) -> Value {
    map(x) { run, x in run.normalize(x, norm) }
  }

  /// Shows the maps and their input to the observer, and multiplies with what it puts in their place.
  public func project(_ x: Value, _ maps: [Linear]) -> [Value] {
    guard !machine.isEnded else {
      return maps.map { map in value(map.weight.rows) { _ in Matrix(rows: 0, columns: map.weight.rows) } }
    }
    guard let replacement = observer(maps, Input(value: x)) else {
      machine.isEnded = true
      return project(x, maps)
    }
    let input = replacement.inputScale.map { scale in
      map(x) { _, x in
        var x = x
        for row in 0..<x.rows { for column in 0..<x.columns { x[row, column] *= scale[column] } }
        return x
      }
    }
    return replacement.maps.map { linear in
      let machine = machine
      let input = input ?? x
      return value(linear.weight.rows) { part in machine.runs[part].project(input.part(part), [linear])[0] }
    }
  }

  /// Turns queries or keys.
  public func rotate(_ x: Value, headDimension: Int, _ rotary: Rotary) -> Value {
    let machine = machine
    return value(x.columns) { part in
      machine.runs[part].rotate(x.part(part), headDimension: headDimension, rotary)
    }
  }

  /// Attends within each sequence.
  public func attend(_ queries: Value, _ keys: Value, _ values: Value, _ attention: Attention) -> Value {
    let machine = machine
    return value(queries.columns) { part in
      machine.runs[part].attend(
        queries.part(part), keys.part(part), values.part(part), attention.inLayer(0))
    }.keeping()
  }

  /// Activates the gate and multiplies.
  public func gate(_ gate: Value, _ up: Value, _ activation: Activation) -> Value {
    let machine = machine
    return value(gate.columns) { part in
      machine.runs[part].gate(gate.part(part), up.part(part), activation)
    }.keeping()
  }

  /// Applies the nonlinearity.
  public func activate(_ x: Value, _ activation: Activation) -> Value {
    map(x) { run, x in run.activate(x, activation) }.keeping()
  }

  /// Adds, at once: a residual stream outlives what it was made from.
  public func add(_ a: Value, _ b: Value) -> Value {
    let machine = machine
    let sum = value(a.columns) { part in machine.runs[part].add(a.part(part), b.part(part)) }.keeping()
    if !machine.isEnded { for part in machine.runs.indices { _ = sum.part(part) } }
    // What it was made from may go; a run that has ended computes nothing more.
    let columns = sum.columns
    sum.compute = { _ in Matrix(rows: 0, columns: columns) }
    return sum
  }

  /// Some of the rows, in rising order.
  public func select(_ x: Value, rows: [Int]) -> Value {
    let machine = machine
    return value(x.columns) { part in
      let range = machine.rows[part]
      let chosen = rows.filter(range.contains).map { $0 - range.lowerBound }
      return machine.runs[part].select(x.part(part), rows: chosen)
    }
  }

  private func value(_ columns: Int, _ compute: @escaping (Int) -> Matrix) -> Value {
    Value(machine, columns: columns, compute)
  }

  private func map(_ x: Value, _ body: @escaping (Inference, Matrix) -> Matrix) -> Value {
    let machine = machine
    return value(x.columns) { part in body(machine.runs[part], x.part(part)) }
  }
}

extension Attention {
  /// The same attention with its keys and values in another layer of the cache.
  fileprivate func inLayer(_ layer: Int) -> Attention {
    Attention(
      layer: layer, heads: heads, keyValueHeads: keyValueHeads, headDimension: headDimension, scale: scale,
      reach: reach)
  }
}
