import CPithKernels
import PithTensors
import Testing

@testable import PithWeights

extension InstructionSets {
  /// The product of one token with each storage, under every instruction set that this processor has, against the
  /// scalar kernels.
  @Suite struct OneTokenProductTests {
    static let instructions = available.filter { $0 != PITH_SCALAR }
    static let shapes = (1...300).map { $0 } + [576, 1000, 1037, 2049]

    @Test(
      arguments: instructions,
      [
        (2, false), (2, true), (3, false), (3, true), (4, false), (4, true), (5, false), (5, true), (6, true),
        (7, true),
        (8, false), (8, true),
      ])
    func affineRowsMultiplyAsInTheScalarVersion(
      instructions: pith_instruction_set, codes: (bits: Int, zeros: Bool)
    ) {
      var generator = SeededGenerator(seed: UInt64(codes.bits))
      for (columns, groupSize) in Self.groupedShapes {
        let rows = Int.random(in: 1...9, using: &generator)
        let groups = (columns + groupSize - 1) / groupSize
        let weight = Affine(
          rows: rows, columns: columns, bits: codes.bits, groupSize: groupSize,
          codes: anyBytes(rows * Packing.bytesPerRow(columns, bits: codes.bits), &generator),
          scales: .float16(halves(rows * groups, &generator)),
          zeros: codes.zeros
            ? .codes(anyBytes(rows * Packing.bytesPerRow(groups, bits: codes.bits), &generator)) : nil)
        check(.affine(weight), instructions, "groups of \(groupSize)", &generator)
      }
    }

    @Test(arguments: instructions, [(4, false), (4, true), (2, true), (3, false), (3, true), (6, false)])
    func codebookRowsMultiplyAsInTheScalarVersion(
      instructions: pith_instruction_set, codes: (bits: Int, tablePerRow: Bool)
    ) {
      var generator = SeededGenerator(seed: UInt64(codes.bits))
      for (columns, groupSize) in Self.groupedShapes {
        let rows = Int.random(in: 1...9, using: &generator)
        let scales = rows * ((columns + groupSize - 1) / groupSize)
        let stored: Codebook.Scales? =
          switch columns % 4 {
          case 0: .float32(floats(scales, &generator))
          case 1: .float16(halves(scales, &generator))
          case 2:
            .doubleQuantized(
              codes: anyBytes(scales, &generator), blockScales: floats((scales + 255) / 256, &generator),
              mean: 0.3)
          default: nil
          }
        let weight = Codebook(
          rows: rows, columns: columns, bits: codes.bits,
          codes: anyBytes(rows * Packing.bytesPerRow(columns, bits: codes.bits), &generator),
          tables: codes.tablePerRow
            ? halves(rows << codes.bits, &generator) : floats(1 << codes.bits, &generator),
          tablePerRow: codes.tablePerRow, groupSize: groupSize, scales: stored)
        check(.codebook(weight), instructions, "groups of \(groupSize)", &generator)
      }
    }

    @Test(
      arguments: instructions,
      [
        (8, 2, 8), (8, 1, 4), (6, 2, 6), (6, 2, 4), (3, 3, 8), (12, 1, 6), (8, 2, 5), (7, 1, 17), (8, 1, 2),
        (9, 1, 3),
        (10, 1, 1), (2, 16, 7), (4, 5, 3),
      ])
    func sumsOfVectorsMultiplyAsInTheScalarVersion(
      instructions: pith_instruction_set, sizes: (bits: Int, codebooks: Int, dimension: Int)
    ) {
      var generator = SeededGenerator(seed: UInt64(sizes.bits))
      for columns in Self.shapes {
        let rows = Int.random(in: 1...9, using: &generator)
        let runs = (columns + sizes.dimension - 1) / sizes.dimension
        let layout = VectorCodebook.Layout(
          dimension: sizes.dimension, codebooks: sizes.codebooks, bits: sizes.bits,
          sets: Int.random(in: 1...min(4, runs), using: &generator))
        let bytesPerRow = Packing.bytesPerRow(layout.codesPerRow(columns), bits: layout.bits)
        let weight = VectorCodebook(
          rows: rows, columns: columns, layout: layout, codes: anyBytes(rows * bytesPerRow, &generator),
          tables: halves(layout.tableShape.reduce(1, *), &generator),
          scales: columns % 2 == 0 ? halves(rows, &generator) : nil)
        check(.vectors(weight), instructions, "\(layout)", &generator)
      }
    }

    @Test(arguments: instructions, [Dense.Format.float32, .float16, .bfloat16])
    func denseRowsMultiplyAsInTheScalarVersion(instructions: pith_instruction_set, format: Dense.Format) {
      var generator = SeededGenerator(seed: 3)
      for columns in Self.shapes {
        let rows = Int.random(in: 1...9, using: &generator)
        let values =
          switch format {
          case .float32: floats(rows * columns, &generator)
          case .float16: halves(rows * columns, &generator)
          case .bfloat16:
            Bytes(
              copying: (0..<(rows * columns)).map { _ in
                UInt16(truncatingIfNeeded: Float.random(in: -1...1, using: &generator).bitPattern >> 16)
              })
          }
        let weight = Dense(rows: rows, columns: columns, format: format, values: values)
        check(.dense(weight), instructions, "", &generator)
      }
    }

    @Test(arguments: instructions)
    func aScaleOutsideOfARowDoesNotReachIt(instructions: pith_instruction_set) {
      // The last columns of row 0 are multiplied beside the scales of row 1, which are infinite here.
      for (columns, groupSize) in Self.groupedShapes {
        let groups = (columns + groupSize - 1) / groupSize
        let scales = [UInt16](repeating: 0x3C00, count: groups) + [UInt16](repeating: 0x7C00, count: groups)
        for bits in 2...8 {
          let weight = Affine(
            rows: 2, columns: columns, bits: bits, groupSize: groupSize,
            codes: Bytes(
              copying: [UInt8](repeating: 0x11, count: 2 * Packing.bytesPerRow(columns, bits: bits))),
            scales: .float16(Bytes(copying: scales)),
            zeros: .codes(
              Bytes(copying: [UInt8](repeating: 0, count: 2 * Packing.bytesPerRow(groups, bits: bits)))))
          let ones = Matrix(rows: 1, columns: columns, values: [Float](repeating: 1, count: columns))
          let y = using(instructions) {
            StoredMatrix.affine(weight).multiply(ones, on: ThreadPool(threads: 1)).values
          }
          let sum = StoredMatrix.affine(weight).decoded()[row: 0].reduce(0, +)
          #expect(y[0] == sum, "\(columns) columns in groups of \(groupSize), \(bits) bits")
          #expect(!y[1].isFinite)
        }
      }
    }

    @Test(arguments: instructions)
    func theProductIsTheSameOnAnyNumberOfThreads(instructions: pith_instruction_set) {
      var generator = SeededGenerator(seed: 5)
      let (rows, columns) = (203, 576)
      let codes = anyBytes(rows * columns, &generator)
      let scales = halves(rows * 9, &generator)
      let weights: [StoredMatrix] = [
        .affine(
          Affine(
            rows: rows, columns: columns, bits: 4, groupSize: 64, codes: codes[0..<(rows * 288)],
            scales: .float16(scales),
            zeros: .codes(anyBytes(rows * 5, &generator)))),
        .affine(
          Affine(
            rows: rows, columns: columns, bits: 8, groupSize: 64, codes: codes, scales: .float16(scales),
            zeros: .codes(anyBytes(rows * 9, &generator)))),
        .codebook(
          Codebook(
            rows: rows, columns: columns, bits: 4, codes: codes[0..<(rows * 288)],
            tables: halves(rows * 16, &generator),
            tablePerRow: true, groupSize: 64, scales: .float16(scales))),
        .dense(
          Dense(rows: rows, columns: columns, format: .float16, values: halves(rows * columns, &generator))),
      ]
      let x = token(columns, &generator)
      for weight in weights {
        let products = using(instructions) {
          (1...3).map { weight.multiply(x, on: ThreadPool(threads: $0)).values }
        }
        #expect(products[1] == products[0] && products[2] == products[0])
      }
    }

    /// Shapes with all the sizes of groups that fit.
    private static let groupedShapes = shapes.flatMap { columns in
      Set([7, 8, 16, 24, 32, 64, 96, 128, 256, columns]).filter { $0 <= columns }.sorted().map {
        (columns, $0)
      }
    }

    private func check(
      _ weight: StoredMatrix, _ instructions: pith_instruction_set, _ what: String,
      _ generator: inout SeededGenerator
    ) {
      let x = token(weight.columns, &generator)
      let pool = ThreadPool(threads: 1)
      let expected = using(PITH_SCALAR) { weight.multiply(x, on: pool).values }
      let decoded = weight.decoded()
      let y = using(instructions) { weight.multiply(x, on: pool).values }
      for row in 0..<weight.rows {
        // Zero points are taken off the sum of the products, so the size of the codes bounds the error with them.
        let sizes = zip(decoded[row: row], x.values).map { abs($0) * abs($1) }.reduce(0, +)
        let largest = decoded[row: row].map { abs($0) }.max() ?? 0
        let total = x.values.map { abs($0) }.reduce(0, +)
        let tolerance = 2e-6 * (sizes + largest * total) + slack(weight) * total
        #expect(
          abs(y[row] - expected[row]) <= tolerance,
          "row \(row) of \(weight.rows)×\(weight.columns) \(what): \(y[row]), not \(expected[row])")
      }
    }

    /// What the codes of a storage add to the error per unit of activation, where they cancel with the zero points.
    private func slack(_ weight: StoredMatrix) -> Float {
      guard case .affine(let affine) = weight else { return 0 }
      return Float(1 << affine.bits) * 1e-6
    }

    private func token(_ columns: Int, _ generator: inout SeededGenerator) -> Matrix {
      Matrix(rows: 1, columns: columns, values: floats(columns, &generator).array(of: Float.self))
    }

    private func anyBytes(_ count: Int, _ generator: inout SeededGenerator) -> Bytes {
      Bytes(copying: (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private func floats(_ count: Int, _ generator: inout SeededGenerator) -> Bytes {
      Bytes(copying: (0..<count).map { _ in Float.random(in: -1...1, using: &generator) })
    }

    /// Float16 numbers between ±1.
    private func halves(_ count: Int, _ generator: inout SeededGenerator) -> Bytes {
      Bytes(
        copying: (0..<count).map { _ in
          UInt16.random(in: 0...0x3C00, using: &generator) | (Bool.random(using: &generator) ? 0x8000 : 0)
        })
    }
  }
}
