import CPithKernels
import PithTensors
import PithTestSupport
import Testing

@testable import PithWeights

/// GGUF's block formats, under every instruction set that this processor has. Serialized, since the choice of
/// instructions is everyone's.
@Suite(.serialized) struct BlocksTests {
  static let instructions = [PITH_SCALAR, PITH_AVX2, PITH_AVX512, PITH_NEON]
    .filter { pith_use_instruction_set($0) }

  @Test(arguments: Blocks.Format.allCases, instructions)
  func decodesToTheBitsOfTheReference(format: Blocks.Format, instructions: pith_instruction_set) throws {
    #expect(pith_use_instruction_set(instructions))
    let expected = try Bytes(mapping: Fixtures.path("gguf/blocks-\(format.name).f32")).array(of: Float.self)
    let decoded = StoredMatrix.blocks(try fixture(format)).decoded()
    #expect(decoded.values.count == expected.count)
    let different = zip(decoded.values, expected).enumerated().first { $1.0.bitPattern != $1.1.bitPattern }
    #expect(different == nil, "first difference: \(String(describing: different))")
  }

  @Test(arguments: Blocks.Format.allCases, instructions)
  func everyBlockDecodesAsInTheScalarVersion(format: Blocks.Format, instructions: pith_instruction_set) {
    var generator = SeededGenerator(seed: UInt64(format.rawValue))
    for count in [1, 2, 3, 33] {
      let data = anyBytes(count * format.bytes, &generator)
      let weight = Blocks(rows: 1, columns: count * format.weights, format: format, data: data)
      #expect(pith_use_instruction_set(PITH_SCALAR))
      let expected = StoredMatrix.blocks(weight).decoded().values
      #expect(pith_use_instruction_set(instructions))
      let decoded = StoredMatrix.blocks(weight).decoded().values
      let different = zip(decoded, expected).enumerated().first { _, pair in
        pair.0.bitPattern != pair.1.bitPattern && !(pair.0.isNaN && pair.1.isNaN)
      }
      #expect(different == nil, "\(count) blocks, first difference: \(String(describing: different))")
    }
  }

  @Test(arguments: Blocks.Format.allCases, instructions)
  func theProductIsThatOfTheDecodedRows(format: Blocks.Format, instructions: pith_instruction_set) throws {
    #expect(pith_use_instruction_set(instructions))
    var generator = SeededGenerator(seed: UInt64(format.rawValue))
    let fixture = try fixture(format).data.array(of: UInt8.self)
    let known = fixture.count / format.bytes
    let pool = ThreadPool(threads: 2)
    let shapes = [(1, 1, 1), (1, 5, 1), (3, 1, 1), (4, 32, 1), (67, 8, 1), (2, 2, 2), (67, 1, 3)]
    for (rows, perRow, tokens) in shapes {
      let data = Bytes(
        copying: (0..<(rows * perRow)).flatMap { _ in
          let block = Int.random(in: 0..<known, using: &generator) * format.bytes
          return fixture[block..<(block + format.bytes)]
        })
      let weight = Blocks(rows: rows, columns: perRow * format.weights, format: format, data: data)
      let x = Matrix(
        rows: tokens, columns: weight.columns,
        values: (0..<(tokens * weight.columns)).map { _ in Float.random(in: -1...1, using: &generator) })
      let y = StoredMatrix.blocks(weight).multiply(x, on: pool)
      let decoded = StoredMatrix.blocks(weight).decoded()
      for (token, row) in (0..<tokens).flatMap({ token in (0..<rows).map { (token, $0) } }) {
        let products = zip(decoded[row: row], x[row: token]).map { Double($0) * Double($1) }
        let expected = products.reduce(0, +)
        let tolerance = products.reduce(0) { $0 + abs($1) } * 2e-6
        #expect(
          abs(Double(y[token, row]) - expected) <= tolerance,
          "token \(token) of \(tokens), row \(row) of \(rows)×\(weight.columns)")
      }
    }
  }

  @Test(arguments: Blocks.Format.allCases, instructions)
  func hostileScalesPropagateAndDoNotCrash(format: Blocks.Format, instructions: pith_instruction_set) {
    #expect(pith_use_instruction_set(instructions))
    for pattern: UInt8 in [0x7C, 0xFC, 0x7E, 0xFF, 0x00] {
      let bytes = [UInt8](repeating: pattern, count: format.bytes)
      let weight = Blocks(rows: 1, columns: format.weights, format: format, data: Bytes(copying: bytes))
      let decoded = StoredMatrix.blocks(weight).decoded().values
      #expect(pattern == 0 || decoded.contains { !$0.isFinite })
      let ones = Matrix(
        rows: 1, columns: format.weights, values: [Float](repeating: 1, count: format.weights))
      let y = StoredMatrix.blocks(weight).multiply(ones, on: ThreadPool(threads: 1)).values
      #expect(y[0].isFinite == (pattern == 0))
    }
  }

  @Test func anUnknownInstructionSetIsRefused() {
    #expect(!pith_use_instruction_set(pith_instruction_set(rawValue: 99)))
  }

  /// The tensor of 3 × 512 random weights at the end of the fixture, where GGUF pads it to 32 bytes.
  private func fixture(_ format: Blocks.Format) throws -> Blocks {
    let file = try Bytes(mapping: Fixtures.path("gguf/blocks-\(format.name).gguf"))
    let size = 3 * 512 / format.weights * format.bytes
    let start = file.count - (size + 31) / 32 * 32
    return Blocks(rows: 3, columns: 512, format: format, data: file[start..<(start + size)])
  }

  private func anyBytes(_ count: Int, _ generator: inout SeededGenerator) -> Bytes {
    Bytes(copying: (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
  }
}
