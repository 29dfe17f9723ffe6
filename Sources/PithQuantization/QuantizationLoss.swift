/// What a method makes small.
public enum QuantizationLoss: String, Sendable, CaseIterable {
  /// The squared error of the weights.
  case plain

  /// The squared error of the weights, each column counted by the diagonal of H: by how large its inputs are.
  case diagonal

  /// The layer loss tr((W − Ŵ)·H·(W − Ŵ)ᵀ)/2: the squared error of the outputs.
  case layer
}
