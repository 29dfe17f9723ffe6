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
  /// The cosine transform and its transpose, m × m, both negated as the kernel subtracts.
  private let cosines: [Float]
  private let transposedCosines: [Float]
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
    var (cosines, transposed) = (
      [Float](repeating: -1, count: odd * odd), [Float](repeating: -1, count: odd * odd)
    )
    for frequency in 0..<odd {
      for position in 0..<odd where odd > 1 {
        let angle = Float.pi * Float((2 * position + 1) * frequency) / Float(2 * odd)
        let norm = ((frequency == 0 ? 1 : 2) / Float(odd)).squareRoot()
        cosines[frequency * odd + position] = -norm * Elementary.cos(angle)
        transposed[position * odd + frequency] = cosines[frequency * odd + position]
      }
    }
    self.cosines = cosines
    transposedCosines = transposed
  }

  /// Whether two rotations are the same: they are made from size and seed.
  public static func == (a: Rotation, b: Rotation) -> Bool { (a.size, a.seed) == (b.size, b.seed) }

  /// The odd factor of a size.
  public static func oddFactor(of size: Int) -> Int { size == 0 ? 0 : size >> size.trailingZeroBitCount }

  /// x ← R·x.
  func apply(_ x: UnsafeMutablePointer<Float>) {
    pith_multiply(x, signs, size)
    mix(x, cosines)
  }

  /// x ← Rᵀ·x.
  func invert(_ x: UnsafeMutablePointer<Float>) {
    mix(x, transposedCosines)
    pith_multiply(x, signs, size)
  }

  /// The Hadamard transform of every m-th value, and the cosine transform of runs of m; which comes first does not matter.
  private func mix(_ x: UnsafeMutablePointer<Float>, _ factors: [Float]) {
    let order = size / odd
    guard odd > 1 else { return pith_hadamard(x, order) }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * size + order) { room in
      // What the transforms mix lies side by side: m rows of 2ᵏ.
      let (turned, mixed, zeros) = (room.baseAddress!, room.baseAddress! + size, room.baseAddress! + 2 * size)
      for row in 0..<odd {
        for place in 0..<order { turned[row * order + place] = x[place * odd + row] }
        pith_hadamard(turned + row * order, order)
      }
      zeros.update(repeating: 0, count: order)
      factors.withUnsafeBufferPointer { factors in
        for row in 0..<odd {
          let target = mixed + row * order
          pith_subtract_products(zeros, factors.baseAddress! + row * odd, turned, odd, order, target)
          for place in 0..<order { x[place * odd + row] = target[place] }
        }
      }
    }
  }
}
