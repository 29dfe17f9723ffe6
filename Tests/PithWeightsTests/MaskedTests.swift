import PithTensors
import Testing

@testable import PithWeights

@Suite struct MaskedTests {
  private func stores(_ rows: Int, _ columns: Int, share: Float, seed: UInt64) -> [Bool] {
    var random = SeededGenerator(seed: seed)
    return (0..<(rows * columns)).map { _ in random.uniform() < share }
  }

  private func decoded(_ mask: Bytes, _ rows: Int, _ columns: Int) -> [Bool] {
    let width = Masked.maskBytes(columns)
    return mask.withUnsafeBytes { mask in
      (0..<(rows * columns)).map {
        mask[$0 / columns * width + $0 % columns / 8] >> ($0 % columns % 8) & 1 == 1
      }
    }
  }

  @Test(
    arguments: [(1, 1), (3, 16), (5, 17), (2, 1000), (4, 0), (0, 5)], [0, 0.004, 0.1, 0.5, 1] as [Float])
  func gapsSayWhatAMaskSays(shape: (Int, Int), share: Float) throws {
    let (rows, columns) = shape
    let stores = stores(rows, columns, share: share, seed: 1)
    let gaps = try #require(
      Masked.Positions(gapsOf: rows, columns: columns) { stores[$0 * columns + $1] })
    #expect(decoded(try #require(gaps.mask(rows: rows, columns: columns)), rows, columns) == stores)
  }

  @Test(arguments: [(2, 4), (1, 4), (3, 8), (5, 7), (200, 256)])
  func patternsSayWhatAMaskSays(kept: Int, count: Int) throws {
    var random = SeededGenerator(seed: 2)
    let (rows, columns) = (3, 5 * count + count - 1)
    var stores: [Bool] = []
    for _ in 0..<rows {
      for _ in 0..<5 {
        stores += ([Bool](repeating: true, count: kept) + [Bool](repeating: false, count: count - kept))
          .shuffled(using: &random)
      }
      stores += [Bool](repeating: true, count: count - 1)
    }
    let pattern = try #require(
      Masked.Positions(kept: kept, of: count, rows: rows, columns: columns) { stores[$0 * columns + $1] })
    #expect(decoded(try #require(pattern.mask(rows: rows, columns: columns)), rows, columns) == stores)
    stores[columns - 1] = false
    #expect(
      Masked.Positions(kept: kept, of: count, rows: rows, columns: columns) { stores[$0 * columns + $1] }
        == nil)
  }

  @Test(
    arguments: ["1x8", "4x8", "32x32", "2x1", "16x16"], [(1, 8), (7, 50), (64, 96), (33, 31), (0, 8), (3, 0)])
  func blocksSayWhatAMaskSays(text: String, size: (Int, Int)) throws {
    let shape = try #require(BlockShape(text))
    let (rows, columns) = size
    let grid = shape.grid(rows: rows, columns: columns)
    let chosen = stores(grid.rows, grid.columns, share: 0.5, seed: 4)
    let whole = (0..<(rows * columns)).map {
      chosen[$0 / max(columns, 1) / shape.rows * grid.columns + $0 % max(columns, 1) / shape.columns]
    }
    let blocks = try #require(
      Masked.Positions(shape, rows: rows, columns: columns) { whole[$0 * columns + $1] })
    #expect(decoded(try #require(blocks.mask(rows: rows, columns: columns)), rows, columns) == whole)
    #expect(blocks.byteCount(rows: rows, columns: columns) == grid.rows * ((grid.columns + 7) / 8))
    guard rows >= shape.rows, columns >= shape.columns else { return }
    #expect(Masked.Positions(shape, rows: rows, columns: columns) { $0 == 0 && $1 == 0 } == nil)
  }

  @Test func shapesOfBlocksAreKnown() {
    for text in ["1x1", "3x8", "64x8", "8", "8x", "0x8", "ax8"] {
      #expect(BlockShape(text) == nil, "\(text)")
    }
    #expect(BlockShape("4x16")?.text == "4x16")
  }

  @Test func twoOfFourTakeTwoBitsEach() throws {
    let pattern = try #require(Masked.Positions(kept: 2, of: 4, rows: 2, columns: 64) { $1 % 2 == 0 })
    #expect(pattern.byteCount(rows: 2, columns: 64) == 2 * 64 / 2 * 2 / 8)
  }

  @Test(arguments: [0, 1, 7, 64]) func aSeedDrawsTheSameColumnsAgain(perRow: Int) throws {
    let seed = Masked.Positions.seed(7, perRow: perRow)
    let mask = try #require(seed.mask(rows: 9, columns: 64))
    let stores = decoded(mask, 9, 64)
    for row in 0..<9 { #expect(stores[(row * 64)..<((row + 1) * 64)].count { $0 } == perRow) }
    #expect(decoded(try #require(seed.mask(rows: 9, columns: 64)), 9, 64) == stores)
    #expect(seed.byteCount(rows: 9, columns: 64) == 0)
    if perRow == 7 { #expect(stores[0..<64] != stores[64..<128]) }
  }

  @Test func theSmallestIsChosen() {
    let (rows, columns) = (8, 1024)
    func kind(_ share: Float, pattern: (kept: Int, of: Int)? = nil, _ stores: ((Int, Int) -> Bool)? = nil)
      -> String
    {
      let random = self.stores(rows, columns, share: share, seed: 3)
      let positions = Masked.Positions.smallest(rows: rows, columns: columns, pattern: pattern) {
        stores?($0, $1) ?? random[$0 * columns + $1]
      }
      switch positions {
      case .bitmask: return "bitmask"
      case .pattern: return "pattern"
      case .blocks: return "blocks"
      case .gaps: return "gaps"
      case .seed: return "seed"
      }
    }
    #expect(kind(0.5) == "bitmask" && kind(0.02) == "gaps")
    #expect(kind(0, pattern: (2, 4)) { $1 % 2 == 0 } == "pattern")
    #expect(kind(0, pattern: (1, 4)) { $1 % 4 == 3 } == "pattern")
    // Three bits for each of four places are more than eight bits of mask.
    #expect(kind(0, pattern: (4, 8)) { $1 % 2 == 0 } == "bitmask")
  }

  @Test func positionsThatAreNoneAreFound() {
    let two = Bytes(copying: [UInt8(0), 0])
    #expect(Masked.Positions.bitmask(two).mask(rows: 2, columns: 4) == nil)
    #expect(Masked.Positions.bitmask(Bytes(copying: [UInt8(16), 0])).mask(rows: 1, columns: 4) == nil)
    // Places 1, 1 do not rise.
    let places = Packing.pack([1, 1] as [UInt8], rows: 1, bits: 2)
    #expect(Masked.Positions.pattern(kept: 2, of: 4, places: places).mask(rows: 1, columns: 4) == nil)
    let counts = Bytes(copying: [UInt16(2)])
    #expect(
      Masked.Positions.gaps(Bytes(copying: [UInt8(1), 2]), counts: counts).mask(rows: 1, columns: 4) == nil)
    #expect(
      Masked.Positions.gaps(Bytes(copying: [UInt8(1)]), counts: counts).mask(rows: 1, columns: 4) == nil)
    // Bits behind the last block, and a row of blocks too few.
    let block = BlockShape(rows: 2, columns: 8)!
    #expect(Masked.Positions.blocks(block, Bytes(copying: [UInt8(4)])).mask(rows: 2, columns: 16) == nil)
    #expect(Masked.Positions.blocks(block, Bytes(copying: [UInt8(1)])).mask(rows: 3, columns: 16) == nil)
    #expect(Masked.Positions.seed(1, perRow: 5).mask(rows: 1, columns: 4) == nil)
    let halves = Masked.Values.float16(Bytes(copying: [UInt16(0)]))
    #expect(Masked.fault(rows: 1, columns: 4, positions: .seed(1, perRow: 2), values: halves) != nil)
    #expect(Masked.fault(rows: 1, columns: 4, positions: .seed(1, perRow: 1), values: halves) == nil)
  }
}
