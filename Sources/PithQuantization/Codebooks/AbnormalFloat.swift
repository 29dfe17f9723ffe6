import PithTensors
import PithWeights

/// AF4: sixteen values that minimise the expected absolute error of normal weights scaled by the largest
/// magnitude of their block, computed for the block's size.
///
/// The larger a block, the larger its extreme and the closer to 0 its other weights: NF4's one table cannot fit
/// every size. Here the values −1, 0 and 1 are fixed, and each other value is the median of the weights that
/// take it (the condition for least absolute error), under the exact distribution of w/max|w|. Source: arXiv
/// 2306.06965. The tables printed with that paper solve the two sides of 0 without counting 0 as a neighbour;
/// counting it, as here, makes the error smaller.
public enum AbnormalFloat {
  /// The sixteen values for blocks of `blockSize` weights, from −1 to 1.
  ///
  /// - Precondition: `blockSize >= 1`.
  public static func values(blockSize: Int) -> [Float] {
    let distribution = AbsmaxNormal(blockSize: blockSize)
    let negative = medians(count: 6, of: distribution)
    let positive = medians(count: 7, of: distribution)
    return ([-1] + negative.reversed().map { -$0 } + [0] + positive + [1]).map { Float($0) }
  }

  static func quantize(_ weight: Matrix, _ options: MethodOptions, _ pool: ThreadPool) -> StoredMatrix {
    let blockSize = min(options.groupSize ?? weight.columns, weight.columns)
    return .codebook(Codebook(weight, table: values(blockSize: blockSize), options, on: pool))
  }

  /// Values a₁ < … < a_count between a₀ = 0 and a_{count+1} = 1, each the median of its cell.
  ///
  /// With F the distribution on the positive side and m the midpoints between neighbours, the conditions are
  /// 2F(a_j) − F(m_j) − F(m_{j+1}) = 0: solved by Newton's method, whose Jacobian is tridiagonal.
  private static func medians(count: Int, of distribution: AbsmaxNormal) -> [Double] {
    var a = [0] + start(count: count, of: distribution) + [1]
    for _ in 0..<100 {
      let middles = zip(a, a.dropFirst()).map { ($0 + $1) / 2 }
      let below = middles.map(distribution.cumulative)
      let density = middles.map(distribution.density)
      // The step δ solves −left · δ_{j−1} + diagonal · δ_j − right · δ_{j+1} = −residual: eliminate downwards,
      // then substitute upwards.
      var ratios = [0.0]
      var step = [0.0]
      for j in 1...count {
        let (left, right) = (density[j - 1] / 2, density[j] / 2)
        let residual = 2 * distribution.cumulative(a[j]) - below[j - 1] - below[j]
        let diagonal = 2 * distribution.density(a[j]) - left - right
        let pivot = diagonal - left * ratios[j - 1]
        ratios.append(right / pivot)
        step.append((left * step[j - 1] - residual) / pivot)
      }
      for j in stride(from: count - 1, to: 0, by: -1) { step[j] += ratios[j] * step[j + 1] }
      step.append(0)
      // Far from the solution a full step could break the order: take the part of it that does not.
      var part = 1.0
      func moved() -> [Double] { zip(a, step).map { $0 + part * $1 } }
      while zip(moved(), moved().dropFirst()).contains(where: >=) { part /= 2 }
      a = moved()
      if step.allSatisfy({ $0.magnitude < 1e-10 }) { break }
    }
    return Array(a[1...count])
  }

  /// Where to start: for many values the best ones have a density as the square root of the weights' (Bennett's
  /// law, for absolute errors).
  private static func start(count: Int, of distribution: AbsmaxNormal) -> [Double] {
    let steps = 128
    let density = (0..<steps).map { distribution.density((Double($0) + 0.5) / Double(steps)).squareRoot() }
    let total = density.reduce(0, +)
    var values: [Double] = []
    var passed = 0.0
    for (index, here) in density.enumerated() {
      while values.count < count {
        let wanted = total * Double(values.count + 1) / Double(count + 1)
        guard wanted < passed + here else { break }
        values.append((Double(index) + (wanted - passed) / here) / Double(steps))
      }
      passed += here
    }
    return values
  }
}
