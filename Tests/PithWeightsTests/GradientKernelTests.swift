import CPithKernels
import Foundation
import PithTensors
import Testing

extension InstructionSets {
  /// The vector kernels against the scalar ones, which the gradients of whole models check.
  @Suite struct GradientKernelTests {
    static let counts = [1, 2, 7, 8, 15, 16, 17, 33, 64, 576, 1000]

    /// A kernel and the arrays that it reads and changes.
    private typealias Kernel =
      @Sendable (
        _ x: inout [Float], _ weight: [Float], _ dy: inout [Float], _ a: inout [Float], _ b: inout [Float],
        _ c: inout [Float]
      ) -> Void

    private static let kernels: [(String, Kernel)] = [
      (
        "rms norm",
        { x, weight, dy, a, b, _ in
          pith_rms_norm_gradient(x, weight, 1e-5, dy, x.count, &a, &b)
        }
      ),
      (
        "layer norm",
        { x, weight, dy, a, b, c in
          pith_layer_norm_gradient(x, weight, 1e-5, dy, x.count, &a, &b, &c)
        }
      ),
      ("silu", { x, _, dy, a, _, _ in pith_silu_gradient(x, dy, &a, x.count) }),
      ("gelu", { x, _, dy, a, _, _ in pith_gelu_gradient(x, dy, &a, x.count) }),
      ("gelu, tanh", { x, _, dy, a, _, _ in pith_gelu_tanh_gradient(x, dy, &a, x.count) }),
      (
        "softmax",
        { x, _, dy, _, _, _ in
          pith_softmax(&x, x.count, 1)
          pith_softmax_gradient(x, &dy, x.count, 0.3)
        }
      ),
      (
        "cross-entropy",
        { x, _, _, a, _, _ in
          a[0] = pith_cross_entropy(&x, x.count, x.count / 2, 0.1, 0.5)
        }
      ),
      (
        "rounding to a grid",
        { x, _, dy, a, b, _ in
          var grid = pith_grid(scale: 0.71, zero: 3.5, lowest: 1, highest: 7)
          pith_round_to_grid(&grid, x, &a, x.count)
          dy[0] += pith_round_to_grid_gradient(&grid, x, dy, &b, x.count)
        }
      ),
      (
        "AdamW",
        { x, _, dy, a, b, _ in
          var step = pith_adamw(
            rate: 0.1, decay: 0.2, beta1: 0.9, beta2: 0.99, epsilon: 1e-3, correction1: 0.5, correction2: 0.3,
            factor: 0.7)
          b = b.map { $0 * $0 }
          pith_adamw_step(&step, dy, &x, &a, &b, x.count)
        }
      ),
    ]

    @Test(arguments: available) func agreeWithTheScalarVersion(instructions: pith_instruction_set) {
      for count in Self.counts {
        var random = SeededGenerator(seed: UInt64(count))
        let arrays = (0..<6).map { _ in random.floats(count).map { 3 * $0 } }
        for (name, kernel) in Self.kernels {
          func results(_ instructions: pith_instruction_set) -> [Float] {
            var (x, dy, a, b, c) = (arrays[0], arrays[2], arrays[3], arrays[4], arrays[5])
            using(instructions) { kernel(&x, arrays[1], &dy, &a, &b, &c) }
            return x + dy + a + b + c
          }
          let (expected, found) = (results(PITH_SCALAR), results(instructions))
          let size = expected.reduce(1e-3) { max($0, abs($1)) }
          let error = zip(expected, found).map { abs($0 - $1) }.max() ?? 0
          #expect(error <= 5e-6 * size, "\(name), \(count): \(error) of \(size)")
        }
      }
    }

    @Test(arguments: available) func productsOfAnyOperands(instructions: pith_instruction_set) {
      var random = SeededGenerator(seed: 1)
      for (m, n, depth) in [(1, 1, 1), (5, 33, 7), (13, 31, 300), (40, 70, 17), (7, 16, 513), (3, 2, 0)] {
        for (turnsA, turnsB) in [(false, false), (true, false), (false, true), (true, true)] {
          let a = random.floats((m + 2) * (depth + 3))
          let b = random.floats((n + 2) * (depth + 3))
          let start = random.floats(m * (n + 1))
          for adds in [false, true] {
            var c = start
            let (lda, ldb) = (turnsA ? m + 2 : depth + 3, turnsB ? depth + 3 : n + 2)
            using(instructions) {
              a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                  pith_product(
                    pith_operand(start: a.baseAddress, row: turnsA ? 1 : lda, column: turnsA ? lda : 1),
                    pith_operand(start: b.baseAddress, row: turnsB ? 1 : ldb, column: turnsB ? ldb : 1), m, n,
                    depth, adds, &c, n + 1)
                }
              }
            }
            for i in 0..<m {
              for j in 0..<n where depth > 0 {
                let sum = (0..<depth).reduce(adds ? Double(start[i * (n + 1) + j]) : 0) {
                  $0 + Double(a[turnsA ? $1 * lda + i : i * lda + $1])
                    * Double(b[turnsB ? j * ldb + $1 : $1 * ldb + j])
                }
                #expect(abs(Double(c[i * (n + 1) + j]) - sum) < 1e-4, "\(m)×\(n)×\(depth) at \(i), \(j)")
              }
              #expect(c[i * (n + 1) + n] == start[i * (n + 1) + n])
            }
          }
        }
      }
    }
  }
}
