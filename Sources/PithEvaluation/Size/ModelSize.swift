import PithModels
import PithWeights

/// What a model weighs, every stored byte counted.
public struct ModelSize: Sendable, Equatable {
  /// Bytes of all weights: matrices with their scales and tables, biases, norms.
  public var bytes = 0

  /// The number of values that the model is made of: of factorized matrices those of the factors, of pruned ones those that stay.
  public var parameters = 0

  /// The number of weights, as matrices are multiplied.
  public var weights = 0

  /// Stored bits per weight of the packed matrices in the layers; the embedding and the output head are left out,
  /// as is usual. Nil where no matrix is packed.
  public var bitsPerWeight: Double?

  /// Stored bits per weight of the whole model.
  public var bitsPerWeightOfModel: Double { Double(bytes) * 8 / Double(max(1, weights)) }

  /// Nothing.
  public init() {}

  /// The size of a model.
  public init(_ model: some Transformer) {
    var (packedBytes, packedWeights) = (0, 0)
    for map in model.maps {
      bytes += map.weight.byteCount + (map.bias?.count ?? 0) * 4
      parameters += map.weight.parameterCount + (map.bias?.count ?? 0)
      weights += map.weight.rows * map.weight.columns + (map.bias?.count ?? 0)
      if map.place.layer != nil, map.weight.isPacked {
        packedBytes += map.weight.byteCount
        packedWeights += map.weight.rows * map.weight.columns
      }
    }
    for norm in model.norms {
      var values = norm.weight.count
      if case .layer(let bias) = norm.kind { values += bias.count }
      bytes += values * 4
      parameters += values
      weights += values
    }
    bitsPerWeight = packedWeights == 0 ? nil : Double(packedBytes) * 8 / Double(packedWeights)
  }
}
