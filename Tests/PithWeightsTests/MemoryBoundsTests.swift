import CPithKernels
import PithTensors
import Testing

@testable import PithWeights

extension InstructionSets {
  /// Kernels touch no byte outside of what they are given.
  @Suite struct MemoryBoundsTests {
    static let widths = [1, 2, 7, 9, 16, 31, 33, 37, 70, 513, 576]

    @Test(arguments: available, GuardedMemory.allCases)
    func ofStoredMatrices(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      for columns in Self.widths {
        for sample in samples(columns: columns) {
          let guarded = try sample.matrix.guarded(by: memory)
          for tokens in [1, 2] {
            let x = Matrix(
              rows: tokens, columns: columns, values: [Float](repeating: 1, count: tokens * columns))
            let (a, b) = using(instructions) {
              (
                guarded.multiply(x, on: MultiplyTests.pools[0]),
                sample.matrix.multiply(x, on: MultiplyTests.pools[0])
              )
            }
            #expect(a == b, "\(sample.name)")
          }
          let decoded = using(instructions) { guarded.decoded().values }
          #expect(decoded == sample.weights, "\(sample.name)")
        }
      }
    }

    @Test(arguments: available, GuardedMemory.allCases)
    func ofActivations(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      var random = SeededGenerator(seed: 3)
      for columns in Self.widths {
        let x = try memory.bytes(Bytes(copying: random.floats(50 * columns))).asFloats
        let w = try memory.bytes(Bytes(copying: random.floats(3 * columns))).asFloats
        for tokens in [2, 50] {
          let products = try memory.with([Float](repeating: .nan, count: 3 * tokens)) { y in
            using(instructions) {
              pith_dot_block(x.start, columns, tokens, w.start, columns, 3, columns, y, 3)
            }
          }
          #expect(products.allSatisfy { $0.isFinite })
        }
        for sample in samples(columns: columns) {
          let y = try memory.with([Float](repeating: .nan, count: 3)) { y in
            using(instructions) { sample.matrix.multiplyToken(x.start, y) }
          }
          #expect(y.allSatisfy { $0.isFinite }, "\(sample.name)")
        }
      }
    }

    @Test(arguments: GuardedMemory.allCases) func ofPreparedTokens(memory: GuardedMemory) throws {
      for columns in Self.widths {
        for (groupSize, bits) in [(1, 4), (5, 4), (64, 4), (64, 8), (4096, 4)] {
          let x = try memory.bytes(Bytes(copying: [Float](repeating: 1, count: columns))).asFloats
          let room = [Float](repeating: .nan, count: pith_token_room(columns, groupSize, Int32(bits)))
          let prepared = try memory.with(room) {
            _ = pith_prepare_token(x.start, columns, groupSize, Int32(bits), $0)
          }
          #expect(
            prepared.allSatisfy { $0.isFinite }, "\(columns) columns, groups of \(groupSize), \(bits) bits")
        }
      }
    }

    @Test(arguments: available, GuardedMemory.allCases)
    func ofElementwiseKernels(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      var random = SeededGenerator(seed: 4)
      for count in Self.widths {
        let x = try memory.bytes(Bytes(copying: random.floats(count))).asFloats
        let kernels: [(UnsafeMutablePointer<Float>) -> Void] = [
          { pith_silu(x.start, $0, count) }, { pith_gelu(x.start, $0, count) },
          { pith_gelu_tanh(x.start, $0, count) }, { pith_softmax($0, count, 1) },
          { pith_rms_norm(x.start, x.start, 1e-5, count, $0) },
          { pith_layer_norm(x.start, x.start, x.start, 1e-5, count, $0) },
          { $0[0] = pith_log_sum_exp(x.start, count) + pith_kl_divergence(x.start, x.start, count) },
        ]
        for (index, kernel) in kernels.enumerated() {
          let y = try memory.with([Float](repeating: 0, count: count)) { y in
            using(instructions) { kernel(y) }
          }
          #expect(y.allSatisfy { $0.isFinite }, "kernel \(index), \(count) values")
        }
      }
    }

    private func samples(columns: Int) -> [Sample] {
      let dense: [Sample] = [.float32, .float16, .bfloat16].map { .dense($0, 3, columns, seed: 1) }
      let byColumns = [Dense.Format.float16, .bfloat16].map {
        Sample.dense($0, 3, columns, seed: 1).byColumns
      }
      let affine = (2...8).flatMap { bits in
        [5, 64].map { Sample.affine(bits: bits, groupSize: $0, symmetric: false, 3, columns, seed: 2) }
      }
      let codebooks = (1...8).flatMap { bits in
        [true, false].map {
          Sample.codebook(bits: bits, tablePerRow: $0, .float16, groupSize: 64, 3, columns, seed: 3)
        }
      }
      let vectors = [1, 3, 8, 11].flatMap { bits in
        [(1, 3), (2, 1), (4, 1), (6, 2), (8, 2), (12, 1)].map {
          Sample.vectors(
            .init(dimension: $0.0, codebooks: $0.1, bits: bits, sets: 2), scaled: true, 3, columns, seed: 4)
        }
      }
      let quantizedScales = [(3, 16, 3), (4, 8, 8), (8, 5, 5)].map { (bits, groupSize, scaleBits) in
        Sample.affine(
          bits: bits, groupSize: groupSize, scaleBits: scaleBits, scaleGroup: 16, zeros: true, 3, columns,
          seed: 4)
      }
      let masked = Sample.MaskedValues.allCases.flatMap { values in
        [(16, 1), (64, 1), (4096, 1), (16, 8), (4096, 8)].map {
          Sample.masked(values, groupSize: $0.0, 3, columns, share: 0.5, run: $0.1, seed: 5)
        }
      }
      return dense + byColumns + affine + quantizedScales + codebooks + vectors + masked
    }
  }
}

extension Bytes {
  /// The bytes as floats, kept alive beside the pointer to them.
  fileprivate var asFloats: (owner: Bytes, start: UnsafePointer<Float>) {
    (self, unsafePointer.baseAddress!.assumingMemoryBound(to: Float.self))
  }
}

extension StoredMatrix {
  /// The product with one token, from memory to memory.
  fileprivate func multiplyToken(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
    let pool = InstructionSets.MultiplyTests.pools[0]
    switch self {
    case .dense(let storage): storage.multiply(x, 1, y, on: pool)
    case .affine(let storage): storage.multiply(x, y, on: pool)
    case .codebook(let storage): storage.multiply(x, y, on: pool)
    case .vectors(let storage): storage.multiply(x, y, on: pool)
    case .blocks(let storage): storage.multiply(x, y, on: pool)
    case .masked(let storage): storage.multiply(x, y, on: pool)
    case .integer, .sparse, .transformed, .split, .sum, .product, .tensorTrain:
      preconditionFailure("these multiply whole batches")
    }
  }

  /// The same matrix with each of its tensors in guarded memory.
  fileprivate func guarded(by memory: GuardedMemory) throws -> StoredMatrix {
    switch self {
    case .dense(let m):
      .dense(
        Dense(
          rows: m.rows, columns: m.columns, format: m.format, order: m.order,
          values: try memory.bytes(m.values)))
    case .affine(let m):
      .affine(
        Affine(
          rows: m.rows, columns: m.columns, bits: m.bits, groupSize: m.groupSize,
          codes: try memory.bytes(m.codes),
          scales: try m.scales.guarded(by: memory), zeros: try m.zeros?.guarded(by: memory)))
    case .codebook(let m):
      .codebook(
        Codebook(
          rows: m.rows, columns: m.columns, bits: m.bits, codes: try memory.bytes(m.codes),
          tables: try memory.bytes(m.tables), tablePerRow: m.tablePerRow, groupSize: m.groupSize,
          scales: try m.scales?.guarded(by: memory)))
    case .vectors(let m):
      .vectors(
        VectorCodebook(
          rows: m.rows, columns: m.columns, layout: m.layout, codes: try memory.bytes(m.codes),
          tables: try memory.bytes(m.tables), scales: try m.scales.map(memory.bytes)))
    case .blocks(let m):
      .blocks(Blocks(rows: m.rows, columns: m.columns, format: m.format, data: try memory.bytes(m.data)))
    case .masked(let m):
      .masked(
        Masked(
          rows: m.rows, columns: m.columns, positions: .bitmask(try memory.bytes(m.mask)),
          values: try m.values.guarded(by: memory)))
    case .integer, .sparse, .transformed, .split, .sum, .product, .tensorTrain:
      preconditionFailure("no sample of these")
    }
  }
}

extension Masked.Values {
  fileprivate func guarded(by memory: GuardedMemory) throws -> Self {
    func guarded(_ scales: Masked.Scales) throws -> Masked.Scales {
      Masked.Scales(groupSize: scales.groupSize, values: try memory.bytes(scales.values))
    }
    switch self {
    case .float16(let values): return .float16(try memory.bytes(values))
    case .int8(let codes, let scales):
      return .int8(codes: try memory.bytes(codes), scales: try guarded(scales))
    case .fourBits(let codes, let table, let scales):
      return .fourBits(
        codes: try memory.bytes(codes), table: try memory.bytes(table), scales: try guarded(scales))
    }
  }
}

extension Affine.Zeros {
  fileprivate func guarded(by memory: GuardedMemory) throws -> Self {
    switch self {
    case .codes(let codes): .codes(try memory.bytes(codes))
    case .float16(let values): .float16(try memory.bytes(values))
    }
  }
}

extension Affine.Scales {
  fileprivate func guarded(by memory: GuardedMemory) throws -> Self {
    switch self {
    case .float16(let values): .float16(try memory.bytes(values))
    case .quantized(let scales):
      .quantized(
        Affine.QuantizedScales(
          bits: scales.bits, groupSize: scales.groupSize, codes: try memory.bytes(scales.codes),
          steps: try memory.bytes(scales.steps), minima: try memory.bytes(scales.minima)))
    }
  }
}

extension Codebook.Scales {
  fileprivate func guarded(by memory: GuardedMemory) throws -> Self {
    switch self {
    case .float32(let values): .float32(try memory.bytes(values))
    case .float16(let values): .float16(try memory.bytes(values))
    case .doubleQuantized(let codes, let blocks, let mean):
      .doubleQuantized(codes: try memory.bytes(codes), blockScales: try memory.bytes(blocks), mean: mean)
    }
  }
}
