import CPithKernels
import PithTensors
import Testing

@testable import PithWeights

extension InstructionSets {
  /// The product is that of the decoded weights, on any number of threads.
  @Suite struct MultiplyTests {
    static let shapes = [(1, 1), (1, 576), (3, 37), (5, 1), (33, 64), (67, 31), (9, 1100)]
    static let pools = [1, 2, 3].map { ThreadPool(threads: $0) }

    @Test(arguments: available, [Dense.Format.float32, .float16, .bfloat16])
    func ofDenseValues(instructions: pith_instruction_set, format: Dense.Format) {
      for (rows, columns) in Self.shapes {
        expectProduct(.dense(format, rows, columns, seed: UInt64(rows * columns)), instructions)
      }
    }

    @Test(arguments: available, [Dense.Format.float16, .bfloat16])
    func ofDenseValuesThatLieByColumns(instructions: pith_instruction_set, format: Dense.Format) {
      for (rows, columns) in Self.shapes + [(200, 40), (263, 100)] {
        let sample = Sample.dense(format, rows, columns, seed: UInt64(rows * columns))
        expectProduct(sample.byColumns, instructions)
        #expect(sample.byColumns.matrix.tensors[0].bytes == sample.matrix.tensors[0].bytes)
      }
      #expect(Sample.dense(.float32, 3, 5, seed: 1).byColumns.matrix.decoded().values.count == 15)
    }

    @Test(arguments: available, 2...8)
    func ofAffineIntegers(instructions: pith_instruction_set, bits: Int) {
      for (rows, columns) in Self.shapes {
        for groupSize in [1, 5, 32, 64, 4096] {
          for symmetric in [true, false] {
            expectProduct(
              .affine(
                bits: bits, groupSize: groupSize, symmetric: symmetric, fractions: bits == 4, rows, columns,
                seed: UInt64(rows * columns + groupSize)), instructions)
          }
        }
      }
    }

    @Test(arguments: available, [2, 3, 4, 8])
    func ofAffineIntegersWithQuantizedScales(instructions: pith_instruction_set, bits: Int) {
      for (rows, columns) in Self.shapes {
        for (groupSize, scaleBits, scaleGroup) in [(16, 3, 16), (1, 8, 5), (64, 4, 2), (4096, 1, 16)] {
          expectProduct(
            .affine(
              bits: bits, groupSize: groupSize, scaleBits: scaleBits, scaleGroup: scaleGroup,
              zeros: groupSize < 64, rows, columns, seed: UInt64(rows * columns + groupSize)), instructions)
        }
      }
    }

    @Test(arguments: available) func ofSparseRows(instructions: pith_instruction_set) {
      for (rows, columns) in Self.shapes {
        for share: Float in [0, 0.02, 1] {
          expectProduct(.sparse(rows, columns, share: share, seed: UInt64(rows * columns)), instructions)
        }
      }
    }

    @Test(arguments: available, 1...8)
    func ofCodebooks(instructions: pith_instruction_set, bits: Int) {
      for (rows, columns) in Self.shapes {
        for scaling in Sample.Scaling.allCases {
          for (groupSize, tablePerRow) in [(1, false), (5, true), (64, false), (4096, true)] {
            expectProduct(
              .codebook(
                bits: bits, tablePerRow: tablePerRow, scaling, groupSize: groupSize, rows, columns,
                seed: UInt64(rows * columns + groupSize)), instructions)
          }
        }
      }
    }

    @Test(arguments: available, [1, 4, 8, 12])
    func ofSumsOfVectors(instructions: pith_instruction_set, bits: Int) {
      for (rows, columns) in Self.shapes {
        for (dimension, codebooks, sets) in [
          (1, 1, 1), (4, 1, 1), (8, 2, 1), (5, 3, 2), (24, 2, 1), (6, 2, 1), (4, 2, 1), (7, 1, 2),
        ] {
          let layout = VectorCodebook.Layout(
            dimension: dimension, codebooks: codebooks, bits: bits, sets: sets)
          expectProduct(
            .vectors(layout, scaled: bits > 1, rows, columns, seed: UInt64(rows * columns)), instructions)
        }
      }
    }

    @Test(arguments: available, Sample.MaskedValues.allCases)
    func ofMaskedWeights(instructions: pith_instruction_set, values: Sample.MaskedValues) {
      for (rows, columns) in Self.shapes {
        for (groupSize, share) in [(16, 0.5), (48, 0.6), (64, 0.1), (4096, 0.9)] as [(Int, Float)] {
          for run in [1, 8] {
            expectProduct(
              .masked(
                values, groupSize: groupSize, rows, columns, share: share, run: run,
                seed: UInt64(rows * columns)), instructions)
          }
        }
      }
    }

    @Test(arguments: available) func ofNothingIsNothing(instructions: pith_instruction_set) {
      for (rows, columns, tokens) in [(0, 64, 1), (0, 64, 3), (4, 64, 0), (0, 0, 2)] {
        let matrices: [Sample] = [
          .sparse(rows, columns, share: 0.1, seed: 1),
          .masked(.int8, groupSize: 16, rows, columns, share: 0.5, seed: 1),
          .dense(.float32, rows, columns, seed: 1),
          .dense(.float16, rows, columns, seed: 1),
          .affine(bits: 4, groupSize: 64, symmetric: true, rows, columns, seed: 1),
          .codebook(bits: 4, tablePerRow: true, .float16, groupSize: 64, rows, columns, seed: 1),
        ]
        for sample in matrices {
          let y = using(instructions) {
            sample.matrix.multiply(Matrix(rows: tokens, columns: columns), on: Self.pools[1])
          }
          #expect((y.rows, y.columns, y.values.count) == (tokens, rows, 0), "\(sample.name)")
        }
      }
    }

    @Test func ofSeveralMatricesAreThoseOfEach() {
      var random = SeededGenerator(seed: 3)
      let x = Matrix(rows: 5, columns: 96, values: random.floats(5 * 96))
      let inner = (0..<3).map { Sample.dense(.float16, 7 + $0, 96, seed: UInt64($0)).matrix }
      func rotated(_ index: Int, seed: UInt64) -> StoredMatrix {
        .transformed(Transformed(.rotation(Rotation(size: 96, seed: seed)), inner[index]))
      }
      for matrices in [
        inner, [rotated(0, seed: 1), rotated(1, seed: 1), rotated(2, seed: 1)], [rotated(0, seed: 1)],
        [rotated(0, seed: 1), rotated(1, seed: 2)], [rotated(0, seed: 1), inner[1]],
      ] {
        let products = StoredMatrix.multiply(x, with: matrices, on: Self.pools[1])
        #expect(products == matrices.map { $0.multiply(x, on: Self.pools[0]) })
      }
    }

    private func expectProduct(_ sample: Sample, _ instructions: pith_instruction_set) {
      let (rows, columns) = (sample.matrix.rows, sample.matrix.columns)
      var random = SeededGenerator(seed: UInt64(rows + columns))
      for tokens in [1, 2, 3, 7, 33] {
        // As behind a ReLU, some are 0.
        let values = random.floats(tokens * columns).enumerated().map { $0 % 3 == 1 ? 0 : $1 }
        let x = Matrix(rows: tokens, columns: columns, values: values)
        let products = using(instructions) { Self.pools.map { sample.matrix.multiply(x, on: $0) } }
        #expect(products[1] == products[0] && products[2] == products[0], "\(sample.name), \(tokens) tokens")
        for token in 0..<tokens {
          // An error of one unit in the last place of every term would be 6e-8 of this.
          let scale = x[row: token].reduce(0) { $0 + Double(abs($1)) } * Double(sample.bound)
          for row in 0..<rows {
            var expected = 0.0
            for column in 0..<columns {
              expected += Double(sample.weights[row * columns + column]) * Double(x[token, column])
            }
            let error = abs(Double(products[0][token, row]) - expected)
            guard !(error <= 2.5e-7 * scale) else { continue }
            Issue.record("\(sample.name), token \(token) of \(tokens), row \(row): off by \(error / scale)")
            return
          }
        }
      }
    }
  }
}
