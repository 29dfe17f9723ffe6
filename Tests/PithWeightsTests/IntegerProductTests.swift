import CPithKernels
import PithTensors
import Testing

@testable import PithWeights

extension InstructionSets {
  /// Integer products against activations that are quantized, decoded and multiplied in float64.
  @Suite struct IntegerProductTests {
    static let shapes = [
      (1, 1), (1, 576), (3, 37), (5, 2), (33, 64), (67, 31), (9, 1100), (4, 129), (13, 128),
    ]
    static let kinds = [(8, IntegerProduct.Activations.int8), (8, .int4), (4, .int8), (4, .int4)]

    @Test(arguments: available, kinds)
    func theProductIsThatOfTheSimulatedPath(
      instructions: pith_instruction_set, kind: (bits: Int, activations: IntegerProduct.Activations)
    ) {
      var random = SeededGenerator(seed: UInt64(kind.bits))
      for (rows, columns) in Self.shapes {
        for tokens in [1, 2, 3, 5, 6, 7, 33] {
          let weight = random.integers(rows, columns, bits: kind.bits, kind.activations)
          let x = Matrix(rows: tokens, columns: columns, values: random.floats(tokens * columns))
          expectSimulated(weight, x, instructions)
        }
      }
    }

    @Test(arguments: available) func noSumOverflows(instructions: pith_instruction_set) {
      // Every product is the largest there is, of either sign, over as many columns as may be.
      for (bits, code) in [(8, UInt8(0)), (8, 255), (4, 0), (4, 0xFF)] {
        for columns in [64, 1000, IntegerProduct.largestColumns] {
          let codes = [UInt8](repeating: code, count: Packing.bytesPerRow(columns, bits: bits))
          let weight = IntegerProduct(
            rows: 1, columns: columns, bits: bits, codes: Bytes(copying: codes),
            scales: .float32(Bytes(copying: [Float(1)])), activations: .int8)
          for sign: Float in [1, -1] {
            let x = Matrix(
              rows: 2, columns: columns, values: [Float](repeating: sign * 127, count: 2 * columns))
            let y = using(instructions) { weight.multiply(x, on: ThreadPool(threads: 1)).values }
            let value = (code == 0 ? 0 : 1 << bits - 1) - (1 << (bits - 1))
            let expected = Float(127 * columns * value) * sign
            #expect(y == [expected, expected], "\(bits) bits, \(columns) columns")
          }
        }
      }
    }

    @Test(arguments: available) func outlierFeaturesAreMultipliedInFloat(instructions: pith_instruction_set) {
      var random = SeededGenerator(seed: 7)
      let pool = ThreadPool(threads: 2)
      let plain = random.integers(40, 200, bits: 8, .int8)
      let weight = IntegerProduct(
        rows: 40, columns: 200, bits: 8, codes: plain.codes, scales: plain.scales, activations: .int8,
        threshold: 6)
      var x = Matrix(rows: 5, columns: 200, values: random.floats(1000))
      for token in 0..<5 { (x[token, 17], x[token, 140]) = (60, -90) }
      x[2, 63] = 6
      #expect(weight.outlierColumns(of: x) == [17, 63, 140])
      let (y, yPlain) = using(instructions) { (weight.multiply(x, on: pool), plain.multiply(x, on: pool)) }
      let exact = StoredMatrix.dense(Dense(StoredMatrix.integer(weight).decoded())).multiply(x, on: pool)
      let error = zip(y.values, exact.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      let errorPlain = zip(yPlain.values, exact.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      #expect(error < errorPlain / 1000, "\(error) against \(errorPlain)")
      expectSimulated(weight, x, instructions)
    }

    @Test(arguments: available) func everyInstructionSetGivesTheSameBits(instructions: pith_instruction_set) {
      var random = SeededGenerator(seed: 8)
      for (bits, activations) in Self.kinds {
        let weight = random.integers(37, 333, bits: bits, activations)
        let x = Matrix(rows: 11, columns: 333, values: random.floats(11 * 333))
        let expected = using(PITH_SCALAR) { weight.multiply(x, on: ThreadPool(threads: 1)) }
        for threads in 1...3 {
          #expect(using(instructions) { weight.multiply(x, on: ThreadPool(threads: threads)) } == expected)
        }
      }
    }

    @Test(arguments: available, IntegerProduct.Activations.allCases)
    func numbersThatAreNotFiniteSpoilTheirTokenAlone(
      instructions: pith_instruction_set, activations: IntegerProduct.Activations
    ) {
      var random = SeededGenerator(seed: 9)
      let weight = random.integers(5, 70, bits: 4, activations)
      for bad in [Float.nan, .infinity, -.infinity] {
        var x = Matrix(rows: 3, columns: 70, values: random.floats(210))
        x[1, 69] = bad
        for column in 0..<70 { x[2, column] = 0 }
        let y = using(instructions) { weight.multiply(x, on: ThreadPool(threads: 1)) }
        #expect(y[row: 0].allSatisfy { $0.isFinite } && y[row: 1].allSatisfy { $0.isNaN })
        #expect(y[row: 2].allSatisfy { $0 == 0 })
      }
    }

    @Test(arguments: available, GuardedMemory.allCases)
    func kernelsStayInTheirMemory(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      var random = SeededGenerator(seed: 10)
      for (bits, activations) in Self.kinds {
        for columns in MemoryBoundsTests.widths {
          let weight = random.integers(3, columns, bits: bits, activations)
          guard case .float16(let scales) = weight.scales else { continue }
          let guarded = IntegerProduct(
            rows: 3, columns: columns, bits: bits, codes: try memory.bytes(weight.codes),
            scales: .float16(try memory.bytes(scales)), activations: activations)
          let x = Matrix(rows: 2, columns: columns, values: random.floats(2 * columns))
          let pool = ThreadPool(threads: 1)
          let (a, b) = using(instructions) { (guarded.multiply(x, on: pool), weight.multiply(x, on: pool)) }
          #expect(a == b)
          #expect(StoredMatrix.integer(guarded).decoded() == StoredMatrix.integer(weight).decoded())
          let source = try memory.bytes(Bytes(copying: random.floats(columns)))
          let values = try memory.bytes(
            Bytes(copying: [Int8](repeating: 99, count: pith_integer_stride(columns, Int32(bits)))))
          var (scale, sum) = (Float(0), Int32(0))
          using(instructions) {
            pith_integer_quantize(
              source.unsafePointer.baseAddress!.assumingMemoryBound(to: Float.self), columns,
              PITH_ACTIVATIONS_INT8, Int32(bits),
              UnsafeMutableRawPointer(mutating: values.unsafePointer.baseAddress!)
                .assumingMemoryBound(to: Int8.self), &scale, &sum)
          }
          #expect(values.array(of: Int8.self).reduce(0) { $0 + Int32($1) } == sum)
        }
      }
    }

    @Test func ofNothingIsNothing() {
      for (rows, columns, tokens) in [(0, 64, 2), (4, 64, 0), (0, 0, 2)] {
        let weight = StoredMatrix.integer(
          IntegerProduct(
            rows: rows, columns: columns, bits: 8,
            codes: Bytes(copying: [UInt8](repeating: 1, count: rows * columns)),
            scales: .float32(Bytes(copying: [Float](repeating: 1, count: rows))), activations: .int8))
        let y = weight.multiply(Matrix(rows: tokens, columns: columns), on: ThreadPool(threads: 2))
        #expect((y.rows, y.columns) == (tokens, rows))
      }
    }

    private func expectSimulated(
      _ weight: IntegerProduct, _ x: Matrix, _ instructions: pith_instruction_set
    ) {
      let decoded = StoredMatrix.integer(weight).decoded()
      let y = using(instructions) { weight.multiply(x, on: ThreadPool(threads: 2)) }
      let simulated = weight.simulated(x)
      for token in 0..<x.rows {
        for row in 0..<weight.rows {
          var (expected, size) = (0.0, 0.0)
          for column in 0..<weight.columns {
            let term = Double(simulated[token, column]) * Double(decoded[row, column])
            (expected, size) = (expected + term, size + abs(term))
          }
          #expect(
            abs(Double(y[token, row]) - expected) <= 3e-7 * size + 1e-30,
            "\(weight.rows)×\(weight.columns), token \(token) of \(x.rows), row \(row)")
        }
      }
    }
  }
}

extension SeededGenerator {
  /// Any codes and float16 scales, some of them not positive.
  fileprivate mutating func integers(
    _ rows: Int, _ columns: Int, bits: Int, _ activations: IntegerProduct.Activations
  ) -> IntegerProduct {
    IntegerProduct(
      rows: rows, columns: columns, bits: bits,
      codes: Packing.pack(codes(rows * columns, bits: bits), rows: rows, bits: bits),
      scales: .float16(Bytes(copying: floats(rows).map(Half.encode))), activations: activations)
  }
}

extension IntegerProduct {
  /// The activations after quantization, by its definition; outliers as they are.
  fileprivate func simulated(_ x: Matrix) -> Matrix {
    var result = x
    let outliers = Set(outlierColumns(of: x))
    for token in 0..<x.rows {
      let inliers = (0..<x.columns).filter { !outliers.contains($0) }
      let values = inliers.map { x[token, $0] }
      let (low, high) = (min(0, values.min() ?? 0), max(0, values.max() ?? 0))
      switch activations {
      case .int8:
        let magnitude = max(-low, high)
        for column in inliers where magnitude > 0 {
          result[token, column] =
            (x[token, column] * (127 / magnitude)).rounded(.toNearestOrEven) * (magnitude / 127)
        }
      case .int4:
        let half = high / 2 - low / 2
        guard half > 0 else { continue }
        let zero = (-low * (7.5 / half)).rounded(.toNearestOrEven)
        for column in inliers {
          let code = (x[token, column] * (7.5 / half)).rounded(.toNearestOrEven) + zero
          result[token, column] = (min(max(code, 0), 15) - zero) * (half / 7.5)
        }
      }
    }
    return result
  }
}
