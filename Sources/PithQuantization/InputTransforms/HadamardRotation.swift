import PithTensors
import PithWeights

/// A random Hadamard rotation of the inputs (QuaRot, arXiv 2404.00456; QuIP#, arXiv 2402.04396): after it no input and no
/// weight stands out, so that few levels suffice. It is applied where the matrix is multiplied, in n log n, which keeps
/// tied heads tied and suits every architecture.
enum HadamardRotation {
  static func transform(
    _ weights: [Matrix], _: InputStatistics?, _ options: MethodOptions, _: MethodOptions,
    _: ThreadPool
  ) -> InputTransform? {
    guard let columns = weights.first?.columns, Rotation.oddFactor(of: columns) <= Rotation.largestOddFactor
    else { return nil }
    return .rotation(Rotation(size: columns, seed: options.seed))
  }
}
