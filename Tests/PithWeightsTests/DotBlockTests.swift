import CPithKernels
import PithTensors
import Testing

extension InstructionSets {
  @Suite struct DotBlockTests {
    @Test(arguments: available, [1, 2, 3, 5, 6, 7, 13, 23, 61])
    func tilesOfEveryShapeAgreeWithDoublePrecision(instructions: pith_instruction_set, tokens: Int) {
      var random = SeededGenerator(seed: UInt64(tokens))
      for rows in [1, 2, 3, 4, 5, 8, 31, 70] {
        for columns in [0, 1, 15, 16, 17, 64, 575, 1024, 2049, 3000] {
          // Rows lie apart, and what lies between them must neither count nor change.
          let (ldx, ldw, ldy) = (columns + 3, columns + 1, rows + 2)
          let x = random.floats(tokens * ldx)
          let w = random.floats(rows * ldw)
          let untouched: Float = 12345
          var y = [Float](repeating: untouched, count: tokens * ldy)
          using(instructions) { pith_dot_block(x, ldx, tokens, w, ldw, rows, columns, &y, ldy) }
          for token in 0..<tokens {
            for row in 0..<rows {
              var (expected, size) = (0.0, 0.0)
              for column in 0..<columns {
                let term = Double(x[token * ldx + column]) * Double(w[row * ldw + column])
                expected += term
                size += abs(term)
              }
              let error = abs(Double(y[token * ldy + row]) - expected)
              if !(error <= 1e-6 * size) {
                Issue.record(
                  "\(tokens) tokens, \(rows)×\(columns), at \(token), \(row): off by \(error / size)")
              }
            }
            #expect(y[(token * ldy + rows)..<(token * ldy + ldy)].allSatisfy { $0 == untouched })
          }
        }
      }
    }
  }
}
