import PithTensors

extension Masked {
  /// How a matrix says which weights are stored. In memory it is a mask in any case; what is kept, and counted, is this.
  public enum Positions: Sendable, Equatable {
    /// A bit per weight, in rows of whole 16 bits.
    case bitmask(Bytes)

    /// Of each `count` consecutive columns `kept` are stored: the place of each within them, rising, in as few bits as name
    /// `count` places. The columns of a rest that is no whole run are all stored.
    case pattern(kept: Int, of: Int, places: Bytes)

    /// Blocks of so many rows and columns are stored or not: a bit for each, row after row of blocks, each in whole bytes; those at
    /// the edges may be cut off.
    case blocks(BlockShape, Bytes)

    /// For each stored weight a byte with the columns that are skipped before it; 255 skips so many and stores none.
    /// `counts`: the bytes of each row, as 16-bit numbers.
    case gaps(Bytes, counts: Bytes)

    /// Each row stores `perRow` weights, whose columns are drawn again from a seed.
    case seed(UInt64, perRow: Int)
  }
}

extension Masked.Positions {
  /// Bits that name one of `count` places.
  public static func bits(_ count: Int) -> Int {
    max(1, (count - 1).bitWidth - (count - 1).leadingZeroBitCount)
  }

  /// The mask of a matrix; nil if the positions are none of it.
  func mask(rows: Int, columns: Int) -> Bytes? {
    let width = Masked.maskBytes(columns)
    var mask = [UInt8](repeating: 0, count: rows * width)
    func store(_ row: Int, _ column: Int) { mask[row * width + column / 8] |= 1 << (column % 8) }
    switch self {
    case .bitmask(let bytes):
      guard bytes.count == rows * width else { return nil }
      let isClean = bytes.withUnsafeBytes { bytes in
        (0..<rows).allSatisfy { row in
          (columns..<(8 * width)).allSatisfy { bytes[row * width + $0 / 8] >> ($0 % 8) & 1 == 0 }
        }
      }
      return isClean ? bytes : nil
    case .pattern(let kept, let count, let places):
      let (runs, bits) = (columns / count, Self.bits(count))
      guard (1..<count).contains(kept), places.count == rows * Packing.bytesPerRow(runs * kept, bits: bits)
      else {
        return nil
      }
      let codes: [UInt8] = Packing.unpack(places, rows: rows, columns: runs * kept, bits: bits)
      for row in 0..<rows {
        for run in 0..<runs {
          var last = -1
          for code in codes[((row * runs + run) * kept)..<((row * runs + run + 1) * kept)] {
            guard code > last, code < count else { return nil }
            last = Int(code)
            store(row, run * count + last)
          }
        }
        for column in (runs * count)..<columns { store(row, column) }
      }
    case .blocks(let shape, let bits):
      let (grid, bytes) = (shape.grid(rows: rows, columns: columns), shape.bytes(columns: columns))
      guard bits.count == grid.rows * bytes else { return nil }
      let isClean = bits.withUnsafeBytes { bits in
        for row in 0..<grid.rows {
          guard (grid.columns..<(8 * bytes)).allSatisfy({ bits[row * bytes + $0 / 8] >> ($0 % 8) & 1 == 0 })
          else { return false }
        }
        for row in 0..<rows {
          for column in 0..<columns {
            let block = column / shape.columns
            if bits[row / shape.rows * bytes + block / 8] >> (block % 8) & 1 == 1 { store(row, column) }
          }
        }
        return true
      }
      guard isClean else { return nil }
    case .gaps(let gaps, let counts):
      let (gaps, counts) = (gaps.array(of: UInt8.self), counts.indices16)
      guard counts.count == rows, counts.reduce(0, +) == gaps.count else { return nil }
      var next = 0
      for row in 0..<rows {
        var column = 0
        for gap in gaps[next..<(next + counts[row])] {
          column += Int(gap)
          guard gap < 255 else { continue }
          guard column < columns else { return nil }
          store(row, column)
          column += 1
        }
        next += counts[row]
      }
    case .seed(let seed, let perRow):
      guard (0...columns).contains(perRow) else { return nil }
      for row in 0..<rows {
        // Selection sampling: each column is taken with the share of what is still needed of what is left.
        var generator = SeededGenerator(seed: seed &+ UInt64(row))
        var needed = perRow
        for column in 0..<columns where Float(columns - column) * generator.uniform() < Float(needed) {
          store(row, column)
          needed -= 1
        }
      }
    }
    return Bytes(copying: mask)
  }
}

extension Masked.Positions {
  /// What is stored.
  func tensors(rows: Int, columns: Int) -> [NamedTensor] {
    switch self {
    case .bitmask(let mask):
      return [NamedTensor(role: "mask", type: .uint8, shape: [rows, Masked.maskBytes(columns)], bytes: mask)]
    case .pattern(let kept, let count, let places):
      let width = Packing.bytesPerRow(columns / count * kept, bits: Self.bits(count))
      return [NamedTensor(role: "places", type: .uint8, shape: [rows, width], bytes: places)]
    case .blocks(let shape, let bits):
      let grid = shape.grid(rows: rows, columns: columns)
      return [
        NamedTensor(
          role: "blocks", type: .uint8, shape: [grid.rows, shape.bytes(columns: columns)], bytes: bits)
      ]
    case .gaps(let gaps, let counts):
      return [
        NamedTensor(role: "gaps", type: .uint8, shape: [gaps.count], bytes: gaps),
        NamedTensor(role: "gap_counts", type: .uint16, shape: [rows], bytes: counts),
      ]
    case .seed: return []
    }
  }

  /// The bytes of what is stored.
  func byteCount(rows: Int, columns: Int) -> Int {
    tensors(rows: rows, columns: columns).reduce(0) { $0 + $1.bytes.count }
  }

  /// Places within runs; nil if a run of a row does not store `kept` columns, or the rest not all.
  init?(kept: Int, of count: Int, rows: Int, columns: Int, stores: (_ row: Int, _ column: Int) -> Bool) {
    guard kept > 0, kept < count, count <= 256, columns >= count else { return nil }
    let runs = columns / count
    var codes: [UInt8] = []
    for row in 0..<rows {
      for run in 0..<runs {
        let before = codes.count
        for place in 0..<count where stores(row, run * count + place) { codes.append(UInt8(place)) }
        guard codes.count == before + kept else { return nil }
      }
      guard ((runs * count)..<columns).allSatisfy({ stores(row, $0) }) else { return nil }
    }
    self = .pattern(kept: kept, of: count, places: Packing.pack(codes, rows: rows, bits: Self.bits(count)))
  }

  /// Blocks; nil if one is stored in part.
  init?(_ shape: BlockShape, rows: Int, columns: Int, stores: (_ row: Int, _ column: Int) -> Bool) {
    let (grid, bytes) = (shape.grid(rows: rows, columns: columns), shape.bytes(columns: columns))
    var bits = [UInt8](repeating: 0, count: grid.rows * bytes)
    for row in 0..<rows {
      for column in 0..<columns {
        let (blockRow, block) = (row / shape.rows, column / shape.columns)
        let isFirst = row % shape.rows == 0 && column % shape.columns == 0
        let index = blockRow * bytes + block / 8
        if isFirst, stores(row, column) { bits[index] |= 1 << (block % 8) }
        guard stores(row, column) == (bits[index] >> (block % 8) & 1 == 1) else { return nil }
      }
    }
    self = .blocks(shape, Bytes(copying: bits))
  }

  /// Gaps between stored columns; nil if a row has more of them than 16 bits count.
  init?(gapsOf rows: Int, columns: Int, stores: (_ row: Int, _ column: Int) -> Bool) {
    var (gaps, counts): ([UInt8], [UInt16]) = ([], [])
    for row in 0..<rows {
      let first = gaps.count
      var skipped = 0
      for column in 0..<columns {
        guard stores(row, column) else {
          skipped += 1
          continue
        }
        gaps += [UInt8](repeating: 255, count: skipped / 255) + [UInt8(skipped % 255)]
        skipped = 0
      }
      guard let count = UInt16(exactly: gaps.count - first) else { return nil }
      counts.append(count.littleEndian)
    }
    self = .gaps(Bytes(copying: gaps), counts: Bytes(copying: counts))
  }

  /// The smallest of those that can say which weights are stored: a pattern or blocks, where there are such, before a mask of
  /// the same size.
  ///
  /// - Parameters:
  ///   - pattern: how many of how many columns are stored, if that is the same everywhere.
  ///   - block: the shape of blocks that are stored whole or not at all, if there are such.
  ///   - stores: whether a weight is stored.
  public static func smallest(
    rows: Int, columns: Int, pattern: (kept: Int, of: Int)? = nil, block: BlockShape? = nil,
    stores: (_ row: Int, _ column: Int) -> Bool
  ) -> Masked.Positions {
    let width = Masked.maskBytes(columns)
    var mask = [UInt8](repeating: 0, count: rows * width)
    for row in 0..<rows {
      for column in 0..<columns where stores(row, column) {
        mask[row * width + column / 8] |= 1 << (column % 8)
      }
    }
    var candidates = [
      pattern.flatMap { Self(kept: $0.kept, of: $0.of, rows: rows, columns: columns, stores: stores) },
      block.flatMap { Self($0, rows: rows, columns: columns, stores: stores) },
      .bitmask(Bytes(copying: mask)),
    ]
    // Gaps take a byte for each stored weight, and two for each row.
    if mask.reduce(2 * rows, { $0 + $1.nonzeroBitCount }) < mask.count {
      candidates.append(Self(gapsOf: rows, columns: columns, stores: stores))
    }
    return candidates.compactMap { $0 }.min {
      $0.byteCount(rows: rows, columns: columns) < $1.byteCount(rows: rows, columns: columns)
    }!
  }
}
