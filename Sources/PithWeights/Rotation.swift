import CPithKernels
import PithTensors

/// A random orthogonal matrix that is applied in n log n: seeded signs, then a Hadamard transform.
///
/// n = 2ᵏ·m with m odd: the Kronecker product of the Hadamard matrix of order 2ᵏ with the orthonormal cosine
/// transform of order m, so that every size has one. It spreads outliers over all inputs. Source: QuaRot (arXiv
/// 2404.00456) and QuIP# (arXiv 2402.04396), where it makes weights and activations look normal.
public struct Rotation: Sendable, Equatable {
  /// The number of inputs, n.
  public let size: Int

  /// Where the signs come from.
  public let seed: UInt64

  private let signs: [Float]
  /// m × m cosine transform, row after row.
  private let cosines: [Float]
  private let odd: Int

  /// The largest odd factor that is taken: its transform costs m operations per input.
  public static let largestOddFactor = 1023

  /// The rotation of a size and a seed.
  ///
  /// - Precondition: the odd factor of `size` is at most `largestOddFactor`.
  public init(size: Int, seed: UInt64) {
    self.size = size
    self.seed = seed
    odd = Self.oddFactor(of: size)
    precondition(size >= 1 && odd <= Self.largestOddFactor, "a rotation of \(size) inputs")
    var generator = SeededGenerator(seed: seed)
    // The order of the Hadamard factor is a power of two, its normalization a factor of each sign.
    let unit = 1 / Float(size / odd).squareRoot()
    signs = (0..<size).map { _ in generator.next() >> 63 == 0 ? unit : -unit }
    var cosines = [Float](repeating: 1, count: odd * odd)
    for frequency in 0..<odd {
      for position in 0..<odd where odd > 1 {
        let angle = Float.pi * Float((2 * position + 1) * frequency) / Float(2 * odd)
        let norm = ((frequency == 0 ? 1 : 2) / Float(odd)).squareRoot()
        cosines[frequency * odd + position] = norm * Elementary.cos(angle)
      }
    }
    self.cosines = cosines
  }

  /// The odd factor of a size.
  public static func oddFactor(of size: Int) -> Int { size == 0 ? 0 : size >> size.trailingZeroBitCount }

  /// x ← R·x.
  func apply(_ x: UnsafeMutablePointer<Float>) {
    for index in 0..<size { x[index] *= signs[index] }
    pith_hadamard(x, size / odd, odd)
    if odd > 1 { mix(x, transposed: false) }
  }

  /// x ← Rᵀ·x.
  func invert(_ x: UnsafeMutablePointer<Float>) {
    if odd > 1 { mix(x, transposed: true) }
    pith_hadamard(x, size / odd, odd)
    for index in 0..<size { x[index] *= signs[index] }
  }

  private func mix(_ x: UnsafeMutablePointer<Float>, transposed: Bool) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: odd) { mixed in
      cosines.withUnsafeBufferPointer { cosines in
        for run in 0..<size / odd {
          let start = x + run * odd
          for i in 0..<odd {
            var sum: Float = 0
            for j in 0..<odd { sum += (transposed ? cosines[j * odd + i] : cosines[i * odd + j]) * start[j] }
            mixed[i] = sum
          }
          start.update(from: mixed.baseAddress!, count: odd)
        }
      }
    }
  }
}
