import PithTensors
import Testing

@testable import PithWeights

@Suite struct PackingTests {
  @Test(arguments: 1...8, [0, 1, 2, 7, 8, 9, 37, 576])
  func packedCodesComeBack(bits: Int, columns: Int) {
    var random = SeededGenerator(seed: UInt64(bits * 1000 + columns))
    for rows in [1, 3] {
      let codes = random.codes(rows * columns, bits: bits)
      let packed = Packing.pack(codes, rows: rows, bits: bits)
      #expect(packed.count == rows * Packing.bytesPerRow(columns, bits: bits))
      #expect(Packing.unpack(packed, rows: rows, columns: columns, bits: bits) == codes)
    }
  }

  @Test(arguments: 9...16, [0, 1, 2, 7, 8, 9, 37, 576])
  func wideCodesComeBack(bits: Int, columns: Int) {
    var random = SeededGenerator(seed: UInt64(bits * 1000 + columns))
    for rows in [1, 3] {
      let codes = (0..<rows * columns).map { _ in
        UInt16.random(in: 0...UInt16((1 << bits) - 1), using: &random)
      }
      let packed = Packing.pack(codes, rows: rows, bits: bits)
      #expect(packed.count == rows * Packing.bytesPerRow(columns, bits: bits))
      #expect(Packing.unpack(packed, rows: rows, columns: columns, bits: bits, as: UInt16.self) == codes)
    }
  }

  @Test func noRowsTakeNoBytes() {
    #expect(Packing.pack([UInt8](), rows: 0, bits: 4).count == 0)
    #expect(Packing.unpack(Bytes(), rows: 0, columns: 5, bits: 4, as: UInt8.self).isEmpty)
  }

  @Test func theFirstCodeLiesInTheLowestBits() {
    #expect(Packing.pack([1, 2, 3] as [UInt8], rows: 1, bits: 4) == Bytes(copying: [0x21, 0x03] as [UInt8]))
    #expect(
      Packing.pack([7, 0, 5] as [UInt8], rows: 1, bits: 3) == Bytes(copying: [0b0100_0111, 0b1] as [UInt8]))
    #expect(Packing.pack([1, 0, 1] as [UInt8], rows: 3, bits: 1) == Bytes(copying: [1, 0, 1] as [UInt8]))
  }
}
