import CPithKernels
import PithTensors
import Testing

@testable import PithWeights

extension InstructionSets {
  /// Decoding gives the weights of the storage's definition, to the bit.
  @Suite struct DecodingTests {
    static let widths = [1, 7, 8, 15, 16, 17, 31, 32, 33, 37, 64, 511, 513, 576, 1100]

    @Test(arguments: available, [Dense.Format.float32, .float16, .bfloat16])
    func denseValuesAreExact(instructions: pith_instruction_set, format: Dense.Format) {
      for columns in Self.widths {
        expectExact(.dense(format, 3, columns, seed: UInt64(columns)), instructions)
      }
    }

    @Test(arguments: available) func everyHalfAndBfloatIsExact(instructions: pith_instruction_set) {
      let patterns = Array(UInt16.min...UInt16.max)
      var (halves, bfloats) = ([Float](repeating: 0, count: patterns.count), patterns.map { _ in Float(0) })
      using(instructions) {
        pith_half_decode(patterns, patterns.count, &halves)
        pith_bfloat_decode(patterns, patterns.count, &bfloats)
      }
      let wrong = patterns.first { pattern in
        let (value, bfloat) = (halves[Int(pattern)], bfloats[Int(pattern)])
        let expected = half(pattern)
        let isRight = expected.isNaN ? value.isNaN : value.bitPattern == expected.bitPattern
        return !isRight || bfloat.bitPattern != UInt32(pattern) << 16
      }
      #expect(wrong == nil)
    }

    @Test(arguments: available, 2...8)
    func affineIntegersAreExact(instructions: pith_instruction_set, bits: Int) {
      for columns in Self.widths {
        for groupSize in [1, 5, 32, 64, columns, 4096] {
          for symmetric in [true, false] {
            expectExact(
              .affine(
                bits: bits, groupSize: groupSize, symmetric: symmetric, fractions: bits % 2 == 0, 3, columns,
                seed: UInt64(columns * 100 + bits)), instructions)
          }
        }
      }
    }

    @Test(arguments: available, 1...8)
    func affineIntegersWithQuantizedScalesAreExact(instructions: pith_instruction_set, scaleBits: Int) {
      for columns in Self.widths {
        for (bits, groupSize, scaleGroup) in [(3, 16, 16), (4, 8, 3), (2, 1, 16), (8, 33, 1000)] {
          expectExact(
            .affine(
              bits: bits, groupSize: groupSize, scaleBits: scaleBits, scaleGroup: scaleGroup,
              zeros: scaleBits % 2 == 0, 3, columns, seed: UInt64(columns * 100 + bits)), instructions)
        }
      }
    }

    @Test(arguments: available, Sample.MaskedValues.allCases)
    func maskedWeightsAreExact(instructions: pith_instruction_set, values: Sample.MaskedValues) {
      for columns in [1, 15, 16, 17, 64, 577] {
        for (groupSize, share) in [(16, 0.5), (4096, 0.05)] as [(Int, Float)] {
          expectExact(
            .masked(values, groupSize: groupSize, 5, columns, share: share, seed: UInt64(columns)),
            instructions)
        }
      }
    }

    @Test(arguments: available) func sparseValuesAreExact(instructions: pith_instruction_set) {
      for columns in Self.widths {
        for share: Float in [0, 0.01, 0.5, 1] {
          expectExact(.sparse(3, columns, share: share, seed: UInt64(columns)), instructions)
        }
      }
    }

    @Test(arguments: available, 1...8)
    func codebooksAreExact(instructions: pith_instruction_set, bits: Int) {
      for columns in Self.widths {
        for scaling in Sample.Scaling.allCases {
          for (groupSize, tablePerRow) in [(1, true), (5, false), (64, true), (64, false), (4096, false)] {
            expectExact(
              .codebook(
                bits: bits, tablePerRow: tablePerRow, scaling, groupSize: groupSize, 3, columns,
                seed: UInt64(columns * 100 + bits)), instructions)
          }
        }
      }
    }

    @Test(arguments: available, 1...12)
    func sumsOfVectorsAreExact(instructions: pith_instruction_set, bits: Int) {
      for columns in Self.widths {
        for (dimension, codebooks, sets) in [
          (1, 1, 1), (2, 3, 1), (4, 1, 3), (6, 2, 1), (7, 2, 1), (8, 2, 1), (12, 3, 2),
        ] {
          let layout = VectorCodebook.Layout(
            dimension: dimension, codebooks: codebooks, bits: bits, sets: sets)
          for scaled in [true, false] {
            expectExact(
              .vectors(layout, scaled: scaled, 3, columns, seed: UInt64(columns + bits)), instructions)
          }
        }
      }
    }

    @Test func chosenRowsComeInTheirOrder() {
      let sample = Sample.affine(bits: 4, groupSize: 5, symmetric: false, 6, 37, seed: 1)
      let chosen = sample.matrix.decoded(rows: [5, 0, 0, 2])
      let expected = [5, 0, 0, 2].flatMap { sample.weights[($0 * 37)..<($0 * 37 + 37)] }
      #expect(chosen.values == expected)
      #expect(sample.matrix.decoded(rows: []).values.isEmpty)
    }

    private func expectExact(_ sample: Sample, _ instructions: pith_instruction_set) {
      let decoded = using(instructions) { sample.matrix.decoded() }
      let wrong = decoded.values.indices.first {
        decoded.values[$0].bitPattern != sample.weights[$0].bitPattern
      }
      if let wrong {
        Issue.record(
          "\(sample.name), weight \(wrong): \(decoded.values[wrong]) instead of \(sample.weights[wrong])")
      }
    }
  }
}
