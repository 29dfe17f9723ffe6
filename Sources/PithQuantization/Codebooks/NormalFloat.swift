import PithTensors
import PithWeights

/// NF4: sixteen fixed values at quantiles of the normal distribution, scaled by the largest magnitude of each
/// block of weights (64 by default).
///
/// The values are the quantiles of N(0, 1) at evenly spaced probabilities, 8 on the positive side and 7 on the
/// negative, outermost at 0.9677083, with an exact 0, divided by the largest. Source: arXiv 2305.14314 (QLoRA),
/// section 3 and appendix E.
public enum NormalFloat {
  /// The sixteen values, from −1 to 1.
  public static let values: [Float] = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023,
    1.0,
  ]

  static func quantize(_ weight: Matrix, _ options: MethodOptions, _ pool: ThreadPool) -> StoredMatrix {
    .codebook(Codebook(weight, table: values, options, on: pool))
  }
}
