import CPithKernels
import PithTensors
import PithWeights

/// The interpreter that computes: every operation runs its kernel at once, on all threads.
///
///     var run = Inference(Batch([(sequence: 0, position: 0, tokens: prompt)]), cache: cache, pool: pool)
///     let states = decoder.states(prompt, &run)
///     let logits = decoder.logits(run.select(states, rows: [prompt.count - 1]), &run)
public struct Inference: Operations {
  /// Activations: one row per token.
  public typealias Value = Matrix

  let batch: Batch
  private let cache: KeyValueCache?
  let pool: ThreadPool
  private var angles: [Rotary: Angles] = [:]

  /// The cosine and sine of each pair's angle: rows × headDimension / 2.
  private struct Angles {
    let cosines: [Float]
    let sines: [Float]
  }

  /// An interpreter for one batch.
  ///
  /// - Parameters:
  ///   - batch: which row belongs where.
  ///   - cache: the keys and values of what came before; without one, sequences begin in the batch.
  ///   - pool: the threads that share the work.
  public init(_ batch: Batch, cache: KeyValueCache? = nil, pool: ThreadPool) {
    self.batch = batch
    self.cache = cache
    self.pool = pool
    for run in batch.runs {
      if let cache {
        precondition(
          run.position + run.rows.count <= cache.capacity, "the cache holds \(cache.capacity) positions")
      }
    }
    cache?.advance(batch)
  }

  /// Decodes the rows of the tokens; a token that the table has no row for, as some tokenizers name, embeds as zeros.
  public func embed(_ rows: [Int32], from table: Linear, scale: Float) -> Matrix {
    var x = Matrix(rows: rows.count, columns: table.weight.columns)
    x.values.withUnsafeMutableBufferPointer { target in
      for (position, row) in rows.enumerated() where row >= 0 && row < table.weight.rows {
        table.weight.decode(row: Int(row), into: target.baseAddress! + position * table.weight.columns)
      }
    }
    if scale != 1 { for index in x.values.indices { x.values[index] *= scale } }
    return x
  }

  /// Normalizes run by run.
  public func normalize(_ x: Matrix, _ norm: Norm) -> Matrix {
    let width = norm.weight.count
    let runs = x.values.count / width
    return map(x, grain: max(1, 8192 / width), count: runs) { range, source, target in
      for run in range {
        switch norm.kind {
        case .rootMeanSquare:
          pith_rms_norm(source + run * width, norm.weight, norm.epsilon, width, target + run * width)
        case .layer(let bias):
          pith_layer_norm(source + run * width, norm.weight, bias, norm.epsilon, width, target + run * width)
        }
      }
    }
  }

  /// Multiplies with the packed weights and adds the biases.
  public func project(_ x: Matrix, _ maps: [Linear]) -> [Matrix] {
    let products = StoredMatrix.multiply(x, with: maps.map(\.weight), on: pool)
    return zip(maps, products).map { map, product in
      var y = product
      if let bias = map.bias {
        y.values.withUnsafeMutableBufferPointer { target in
          for row in 0..<x.rows { pith_add(target.baseAddress! + row * bias.count, bias, bias.count) }
        }
      }
      return y
    }
  }

  /// Turns pairs by angles that are computed once per batch.
  public mutating func rotate(_ x: Matrix, headDimension: Int, _ rotary: Rotary) -> Matrix {
    rotate(x, headDimension: headDimension, rotary, back: false)
  }

  /// Turns pairs by their angles, or back by as much.
  public mutating func rotate(_ x: Matrix, headDimension: Int, _ rotary: Rotary, back: Bool) -> Matrix {
    let pairs = headDimension / 2
    let angles = angles(rotary, headDimension: headDimension)
    let turns = back ? angles.sines.map { -$0 } : angles.sines
    var x = x
    let columns = x.columns
    x.values.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let values = buffer.baseAddress!
      pool.forEach(count: batch.count, grain: max(1, 8192 / columns)) { rows in
        for row in rows {
          for head in 0..<columns / headDimension {
            angles.cosines.withUnsafeBufferPointer { cosines in
              turns.withUnsafeBufferPointer { sines in
                pith_rotate(
                  values + row * columns + head * headDimension, cosines.baseAddress! + row * pairs,
                  sines.baseAddress! + row * pairs, pairs)
              }
            }
          }
        }
      }
    }
    return x
  }

  /// Attends over the cache, or over the batch itself in an encoder.
  public func attend(_ queries: Matrix, _ keys: Matrix, _ values: Matrix, _ attention: Attention) -> Matrix {
    switch attention.reach {
    case .before(let window):
      guard let cache else { return attendWithin(queries, keys, values, attention) }
      remember(keys, values, attention, in: cache)
      return attendBefore(queries, attention, window: window, cache)
    case .everywhere: return attendWithin(queries, keys, values, attention)
    }
  }

  /// Activates the gate and multiplies.
  public func gate(_ gate: Matrix, _ up: Matrix, _ activation: Activation) -> Matrix {
    combined(activate(gate, activation), up, pith_multiply)
  }

  /// Applies the nonlinearity.
  public func activate(_ x: Matrix, _ activation: Activation) -> Matrix {
    map(x, grain: 8192, count: x.values.count) { range, source, target in
      let (from, to, count) = (source + range.lowerBound, target + range.lowerBound, range.count)
      switch activation {
      case .silu: pith_silu(from, to, count)
      case .gelu: pith_gelu(from, to, count)
      case .geluTanh: pith_gelu_tanh(from, to, count)
      case .relu: for i in 0..<count { to[i] = max(0, from[i]) }
      case .tanh: for i in 0..<count { to[i] = Elementary.tanh(from[i]) }
      }
    }
  }

  /// Adds element by element.
  public func add(_ a: Matrix, _ b: Matrix) -> Matrix {
    combined(a, b, pith_add)
  }

  /// Changes each element of `a` by that of `b`, on all threads.
  private func combined(
    _ a: Matrix, _ b: Matrix, _ body: (UnsafeMutablePointer<Float>, UnsafePointer<Float>, Int) -> Void
  ) -> Matrix {
    var result = a
    b.values.withUnsafeBufferPointer { b in
      result.values.withUnsafeMutableBufferPointer { target in
        guard let start = target.baseAddress else { return }
        nonisolated(unsafe) let (to, from) = (start, b.baseAddress!)
        pool.forEach(count: target.count, grain: 65_536) { range in
          body(to + range.lowerBound, from + range.lowerBound, range.count)
        }
      }
    }
    return result
  }

  /// Copies the rows.
  public func select(_ x: Matrix, rows: [Int]) -> Matrix {
    Matrix(rows: rows.count, columns: x.columns, values: rows.flatMap { x[row: $0] })
  }

  /// Computes parts of a matrix of the shape of `x` on all threads.
  private func map(
    _ x: Matrix, grain: Int, count: Int,
    _ body: (Range<Int>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Matrix {
    Matrix(rows: x.rows, columns: x.columns) { target in
      x.values.withUnsafeBufferPointer { source in
        guard count > 0 else { return }
        nonisolated(unsafe) let (from, to) = (source.baseAddress!, target.baseAddress!)
        pool.forEach(count: count, grain: grain) { range in body(range, from, to) }
      }
    }
  }

  private mutating func angles(_ rotary: Rotary, headDimension: Int) -> Angles {
    if let known = angles[rotary] { return known }
    let frequencies = rotary.frequencies(dimension: headDimension)
    let turns = batch.positions.flatMap { position in frequencies.map { Float(position) * $0 } }
    let made = Angles(cosines: turns.map(Elementary.cos), sines: turns.map(Elementary.sin))
    angles[rotary] = made
    return made
  }
}
