import PithTensors
import PithTestSupport
import PithWeights
import Testing

/// A GGUF block format decodes to the very bits that GGUF's own tools decode it to.
@Suite struct BlocksDecodeTests {
  @Test(arguments: Blocks.Format.allCases)
  func decodesToTheBitsOfTheReference(format: Blocks.Format) throws {
    let data = try Bytes(mapping: Fixtures.path("blocks/\(format.name).bin"))
    let expected = try Bytes(mapping: Fixtures.path("blocks/\(format.name).f32")).array(of: Float.self)
    let weight = StoredMatrix.blocks(Blocks(rows: 3, columns: 512, format: format, data: data))
    let decoded = weight.decoded()
    #expect(decoded.values.count == expected.count)
    let different = zip(decoded.values, expected).enumerated().first { $1.0.bitPattern != $1.1.bitPattern }
    #expect(different == nil, "first difference: \(String(describing: different))")
  }
}
