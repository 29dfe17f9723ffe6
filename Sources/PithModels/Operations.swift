import PithTensors
import PithWeights

/// What a transformer is made of. A model is written once against these operations; an interpreter gives them
/// meaning: `Inference` computes, `Costing` counts.
public protocol Operations {
  /// A batch of activations: one row per token.
  associatedtype Value

  /// Rows of an embedding table times `scale`.
  mutating func embed(_ rows: [Int32], from table: Linear, scale: Float) -> Value

  /// Normalizes each run of `norm.weight.count` columns of each row: whole rows, or head by head.
  mutating func normalize(_ x: Value, _ norm: Norm) -> Value

  /// x · Wᵀ + b for each of the maps.
  mutating func project(_ x: Value, _ maps: [Linear]) -> [Value]

  /// Turns queries or keys by their positions.
  mutating func rotate(_ x: Value, headDimension: Int, _ rotary: Rotary) -> Value

  /// Softmax attention of queries over keys and values of the same sequence.
  mutating func attend(_ queries: Value, _ keys: Value, _ values: Value, _ attention: Attention) -> Value

  /// activation(gate) · up, element by element.
  mutating func gate(_ gate: Value, _ up: Value, _ activation: Activation) -> Value

  /// The nonlinearity, element by element.
  mutating func activate(_ x: Value, _ activation: Activation) -> Value

  /// a + b.
  mutating func add(_ a: Value, _ b: Value) -> Value

  /// Some of the rows.
  mutating func select(_ x: Value, rows: [Int]) -> Value
}

extension Operations {
  /// x · Wᵀ + b.
  mutating func project(_ x: Value, _ map: Linear) -> Value { project(x, [map])[0] }
}

/// How the heads of a layer attend.
public struct Attention: Sendable, Equatable {
  /// The layer whose keys and values these are.
  public let layer: Int
  /// Query heads.
  public let heads: Int
  /// Key and value heads.
  public let keyValueHeads: Int
  /// The width of a head.
  public let headDimension: Int
  /// What the products of queries and keys are multiplied by.
  public let scale: Float
  /// Which positions a token sees.
  public let reach: Reach

  /// Which positions a token sees.
  public enum Reach: Sendable, Equatable {
    /// Itself and what comes before, at most `window` positions where there is a window; keys and values are
    /// kept in the cache.
    case before(window: Int?)

    /// The whole sequence.
    case everywhere

    /// The positions that one position of a sequence sees.
    public func positions(seenFrom position: Int, of count: Int) -> Range<Int> {
      switch self {
      case .before(let window): max(0, window.map { position + 1 - $0 } ?? 0)..<(position + 1)
      case .everywhere: 0..<count
      }
    }
  }
}
