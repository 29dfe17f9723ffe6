import PithWeights

/// The interpreter that only counts: multiplications and additions, and the bytes of weights that are read.
///
///     var cost = Costing()
///     _ = decoder.logits(decoder.states([0], &cost), &cost)
///     print(cost.multiplyAdds, cost.weightBytes)
public struct Costing: Operations {
  /// The shape of a batch of activations.
  public struct Value: Sendable, Equatable {
    /// One row per token.
    public let rows: Int
    /// The width.
    public let columns: Int
  }

  /// Multiplications followed by an addition, in projections and attention.
  public private(set) var multiplyAdds = 0

  /// Bytes of stored weights that a batch reads.
  public private(set) var weightBytes = 0

  private let past: Int

  /// A count from zero.
  ///
  /// - Parameter past: how many positions before the batch a decoder's tokens attend to.
  public init(past: Int = 0) { self.past = past }

  /// Counts the bytes of the rows.
  public mutating func embed(_ rows: [Int32], from table: Linear, scale: Float) -> Value {
    weightBytes += rows.count * table.weight.byteCount / table.weight.rows
    return Value(rows: rows.count, columns: table.weight.columns)
  }

  /// Costs nothing that is counted.
  public func normalize(_ x: Value, _ norm: Norm) -> Value { x }

  /// Counts each product and each byte of the weights.
  public mutating func project(_ x: Value, _ maps: [Linear]) -> [Value] {
    maps.map { map in
      multiplyAdds += x.rows * map.weight.rows * map.weight.columns
      weightBytes += map.weight.byteCount
      return Value(rows: x.rows, columns: map.weight.rows)
    }
  }

  /// Costs nothing that is counted.
  public func rotate(_ x: Value, headDimension: Int, _ rotary: Rotary) -> Value { x }

  /// Counts the products with the keys and values that are seen.
  public mutating func attend(_ queries: Value, _ keys: Value, _ values: Value, _ attention: Attention)
    -> Value
  {
    let seen: Int =
      switch attention.reach {
      case .everywhere: queries.rows * queries.rows
      case .before(let window): (0..<queries.rows).reduce(0) { $0 + min(window ?? .max, past + $1 + 1) }
      }
    multiplyAdds += 2 * seen * attention.heads * attention.headDimension
    return queries
  }

  /// Costs nothing that is counted.
  public func gate(_ gate: Value, _ up: Value, _ activation: Activation) -> Value { gate }

  /// Costs nothing that is counted.
  public func activate(_ x: Value, _ activation: Activation) -> Value { x }

  /// Costs nothing that is counted.
  public func add(_ a: Value, _ b: Value) -> Value { a }

  /// Costs nothing that is counted.
  public func select(_ x: Value, rows: [Int]) -> Value { Value(rows: rows.count, columns: x.columns) }
}
