import PithLinearAlgebra
import PithTensors

/// The noise that variances of weights are at the outputs of a map, drawn there instead of at each weight (Kingma et al., arXiv 1506.02557, equation 6):
///
///     y = x·θᵀ + √(x²·(σ²)ᵀ) · ε
struct LocalReparametrization {
  /// What is added to the outputs.
  let value: Matrix

  private let x: Matrix
  private let variance: Matrix
  /// ε / (2 √(x²·(σ²)ᵀ)): how the noise follows the variance of an output.
  private let slopes: Matrix

  /// - Parameters:
  ///   - x: the inputs, a token a row.
  ///   - variance: σ² of each weight.
  init(_ x: Matrix, variance: Matrix, seed: UInt64, on pool: ThreadPool) {
    self.x = x
    self.variance = variance
    let squares = x.times(x, elementwiseOn: pool)
    var value = squares.times(variance, otherTransposed: true, on: pool)
    var slopes = Matrix(rows: value.rows, columns: value.columns)
    let columns = value.columns
    value.values.withUnsafeMutableBufferPointer { value in
      slopes.values.withUnsafeMutableBufferPointer { slopes in
        nonisolated(unsafe) let (value, slopes) = (value, slopes)
        pool.forEach(count: x.rows, grain: 16) { rows in
          for row in rows {
            var generator = SeededGenerator(seed: seed &+ UInt64(row) &* 0xD6E8_FEB8_6659_FD93)
            for place in (row * columns)..<((row + 1) * columns) {
              let deviation = (max(value[place], 0) + 1e-12).squareRoot()
              let noise = generator.normal()
              value[place] = deviation * noise
              slopes[place] = noise / (2 * deviation)
            }
          }
        }
      }
    }
    self.value = value
    self.slopes = slopes
  }

  /// The gradients of the inputs and of log σ².
  func carryBack(_ gradient: Matrix, on pool: ThreadPool) -> (inputs: Matrix, logVariance: Matrix) {
    let back = gradient.times(slopes, elementwiseOn: pool)
    var inputs = back.times(variance, on: pool).times(x, elementwiseOn: pool)
    inputs.add(inputs)
    var logVariance = Matrix(rows: variance.rows, columns: variance.columns)
    logVariance.add(
      productOf: back, transposed: true, with: x.times(x, elementwiseOn: pool), on: pool)
    return (inputs, logVariance.times(variance, elementwiseOn: pool))
  }
}
