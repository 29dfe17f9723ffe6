import CPithKernels
import PithTensors
import Testing

@testable import PithWeights

extension InstructionSets {
  /// The loops of the search for codewords against their definition, and within their memory.
  @Suite struct CodewordSearchTests {
    static let counts = [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 256, 4096]

    @Test(arguments: available, GuardedMemory.allCases)
    func sumsAndTheLowestOfThem(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      var random = SeededGenerator(seed: 1)
      for count in Self.counts {
        for rowCount in 0...3 {
          // Few values, so that there are equal sums.
          func values() throws -> Bytes {
            try memory.bytes(
              Bytes(copying: (0..<count).map { _ in Float(Int.random(in: -9...9, using: &random)) }))
          }
          let base = try values()
          let rows = try (0..<rowCount).map { _ in try values() }
          var expected: [Float] = base.array()
          for row in rows { for (k, value) in (row.array() as [Float]).enumerated() { expected[k] += value } }
          let pointers: [UnsafePointer<Float>?] = rows.map(start)
          let sums = try memory.with([Float](repeating: 0, count: count)) { out in
            using(instructions) { pith_sum_rows(start(base), pointers, rowCount, count, out) }
          }
          #expect(sums == expected)
          var lowest: Float = 0
          let index = using(instructions) {
            pith_lowest_sum(start(base), pointers, rowCount, count, &lowest)
          }
          #expect(lowest == expected.min()! && index == expected.firstIndex(of: lowest)!)
          withExtendedLifetime((base, rows)) {}
        }
      }
    }

    @Test(arguments: available, GuardedMemory.allCases)
    func theLowestWay(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      var random = SeededGenerator(seed: 4)
      for count in Self.counts {
        for (ways, rowCount) in [(1, 0), (1, 1), (5, 1), (32, 1), (7, 2), (64, 3)] {
          func values(_ count: Int) throws -> Bytes {
            try memory.bytes(
              Bytes(copying: (0..<count).map { _ in Float(Int.random(in: -9...9, using: &random)) }))
          }
          let (base, starts) = (try values(count), try values(ways))
          let rows = try (0..<ways * rowCount).map { _ in try values(count) }
          var expected = (sum: Float.infinity, way: 0, index: 0)
          for way in 0..<ways {
            for index in 0..<count {
              let sum = (0..<rowCount).reduce((base.array() as [Float])[index]) {
                $0 + (rows[way * rowCount + $1].array() as [Float])[index]
              }
              let all = sum + (starts.array() as [Float])[way]
              if all < expected.sum { expected = (all, way, index) }
            }
          }
          var index = 0
          let pointers: [UnsafePointer<Float>?] = rows.map(start)
          let way = using(instructions) {
            pith_lowest_way(start(base), start(starts), pointers, ways, rowCount, count, &index)
          }
          #expect(way == expected.way && index == expected.index)
          withExtendedLifetime((base, starts, rows)) {}
        }
      }
    }

    @Test(arguments: available, GuardedMemory.allCases)
    func columnsAreSubtracted(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      var random = SeededGenerator(seed: 3)
      for (columns, count, stride) in [(0, 1, 1), (1, 1, 1), (5, 1, 1), (3, 7, 9), (9, 128, 128), (4, 3, 3)] {
        let (w, e) = (random.floats(16 * columns), random.floats(16 * count))
        let factors = random.floats(max(0, (columns - 1) * stride + count))
        let stored = try (memory.bytes(Bytes(copying: e)), memory.bytes(Bytes(copying: factors)))
        let result = try memory.with(w) { w in
          using(instructions) {
            pith_subtract_columns(w, start(stored.0), start(stored.1), stride, columns, count)
          }
        }
        for j in 0..<columns {
          for row in 0..<16 {
            let exact = (0..<count).reduce(Double(w[16 * j + row])) {
              $0 - Double(factors[j * stride + $1]) * Double(e[16 * $1 + row])
            }
            #expect(abs(Double(result[16 * j + row]) - exact) < 1e-4)
          }
        }
        withExtendedLifetime(stored) {}
      }
    }

    @Test(arguments: available, GuardedMemory.allCases)
    func productsAreSubtracted(instructions: pith_instruction_set, memory: GuardedMemory) throws {
      var random = SeededGenerator(seed: 2)
      for count in Self.counts {
        for rowCount in [0, 1, 5, 8] {
          let base = random.floats(count)
          let (factors, rows) = (random.floats(rowCount), random.floats(rowCount * count))
          let stored = try (memory.bytes(Bytes(copying: base)), memory.bytes(Bytes(copying: rows)))
          let result = try memory.with([Float](repeating: 0, count: count)) { out in
            using(instructions) {
              pith_subtract_products(start(stored.0), factors, start(stored.1), rowCount, count, out)
            }
          }
          for k in 0..<count {
            let expected = (0..<rowCount).reduce(base[k]) { $0 - factors[$1] * rows[$1 * count + k] }
            #expect(abs(result[k] - expected) < 1e-5)
          }
          withExtendedLifetime(stored) {}
        }
      }
    }

    private func start(_ bytes: Bytes) -> UnsafePointer<Float> {
      bytes.unsafePointer.baseAddress!.assumingMemoryBound(to: Float.self)
    }
  }
}
