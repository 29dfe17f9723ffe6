import PithTensors
import PithWeights

/// A storage with random contents: what is in it does not change how long a product takes.
struct Storage {
  let name: String
  let make: @Sendable (_ rows: Int, _ columns: Int) -> StoredMatrix

  static let all: [Storage] =
    [
      Storage(name: "f32") { dense(.float32, $0, $1) },
      Storage(name: "f16") { dense(.float16, $0, $1) },
      Storage(name: "bf16") { dense(.bfloat16, $0, $1) },
    ]
    + [2, 3, 4, 5, 6, 8].map { bits in Storage(name: "int\(bits)/64") { affine(bits: bits, $0, $1) } }
    + [
      Storage(name: "nf4/64") { codebook(bits: 4, tablePerRow: false, scaled: true, $0, $1) },
      Storage(name: "table/row 4") { codebook(bits: 4, tablePerRow: true, scaled: false, $0, $1) },
      Storage(name: "table/row 3") { codebook(bits: 3, tablePerRow: true, scaled: false, $0, $1) },
    ]
    + [
      Storage(name: "int8·int8") { integer(bits: 8, .int8, $0, $1) },
      Storage(name: "int4·int8") { integer(bits: 4, .int8, $0, $1) },
      Storage(name: "int4·int4") { integer(bits: 4, .int4, $0, $1) },
      Storage(name: "sparse 1%") { sparse($0, $1) },
      Storage(name: "1×256 of 2") { vectors(dimension: 2, books: 1, bits: 8, $0, $1) },
      Storage(name: "1×512 of 3") { vectors(dimension: 3, books: 1, bits: 9, $0, $1) },
      Storage(name: "2×64 of 4") { vectors(dimension: 4, books: 2, bits: 6, $0, $1) },
      Storage(name: "2×64 of 6") { vectors(dimension: 6, books: 2, bits: 6, $0, $1) },
      Storage(name: "2×256 of 8") { vectors(dimension: 8, books: 2, bits: 8, $0, $1) },
      Storage(name: "PQ, 256 of 4") { vectors(dimension: 4, books: 1, bits: 8, sets: 4, $0, $1) },
      Storage(name: "rotated int4") { rotated(affine(bits: 4, $0, $1)) },
    ]
    + [0.5, 0.7, 0.9].flatMap { sparsity in
      [4, 8, 16].map { bits in
        Storage(name: "masked\(bits) \(Int(sparsity * 100 + 0.5))%") { masked(bits: bits, sparsity, $0, $1) }
      }
    }
    + [Blocks.Format.q4_0, .q8_0, .q4_K, .q6_K].map { format in
      Storage(name: format.name) { blocks(format, $0, $1) }
    }

  static func dense(_ format: Dense.Format, _ rows: Int, _ columns: Int) -> StoredMatrix {
    let count = rows * columns
    let values = format == .float32 ? Bytes(copying: randomFloats(count)) : halves(count)
    return .dense(Dense(rows: rows, columns: columns, format: format, values: values))
  }

  static func affine(bits: Int, _ rows: Int, _ columns: Int) -> StoredMatrix {
    .affine(
      Affine(
        rows: rows, columns: columns, bits: bits, groupSize: 64,
        codes: randomBytes(rows * Packing.bytesPerRow(columns, bits: bits)),
        scales: .float16(halves(rows * (columns / 64))),
        zeros: .codes(randomBytes(rows * Packing.bytesPerRow(columns / 64, bits: bits)))))
  }

  private static func codebook(
    bits: Int, tablePerRow: Bool, scaled: Bool, _ rows: Int, _ columns: Int
  ) -> StoredMatrix {
    .codebook(
      Codebook(
        rows: rows, columns: columns, bits: bits,
        codes: randomBytes(rows * Packing.bytesPerRow(columns, bits: bits)),
        tables: tablePerRow ? halves(rows << bits) : Bytes(copying: randomFloats(1 << bits)),
        tablePerRow: tablePerRow, groupSize: 64,
        scales: scaled ? .float32(Bytes(copying: randomFloats(rows * (columns / 64)))) : nil))
  }

  private static func integer(
    bits: Int, _ activations: IntegerProduct.Activations, _ rows: Int, _ columns: Int
  ) -> StoredMatrix {
    .integer(
      IntegerProduct(
        rows: rows, columns: columns, bits: bits,
        codes: randomBytes(rows * Packing.bytesPerRow(columns, bits: bits)), scales: .float16(halves(rows)),
        activations: activations))
  }

  private static func vectors(
    dimension: Int, books: Int, bits: Int, sets: Int = 1, _ rows: Int, _ columns: Int
  ) -> StoredMatrix {
    let layout = VectorCodebook.Layout(dimension: dimension, codebooks: books, bits: bits, sets: sets)
    return .vectors(
      VectorCodebook(
        rows: rows, columns: columns, layout: layout,
        codes: randomBytes(rows * Packing.bytesPerRow(layout.codesPerRow(columns), bits: bits)),
        tables: halves(layout.tableShape.reduce(1, *)), scales: halves(rows)))
  }

  private static func rotated(_ inner: StoredMatrix) -> StoredMatrix {
    .transformed(Transformed(.rotation(Rotation(size: inner.columns, seed: 1)), inner))
  }

  /// One weight in a hundred.
  private static func sparse(_ rows: Int, _ columns: Int) -> StoredMatrix {
    var random = SeededGenerator(seed: 4)
    let values = (0..<(rows * columns)).map { _ in random.uniform() < 0.01 ? Float(1) : 0 }
    return .sparse(Sparse(Matrix(rows: rows, columns: columns, values: values)))
  }

  /// Weights of which a share is 0, in blocks of 1 × `run` columns that are stored or not.
  static func masked(bits: Int, _ sparsity: Double, run: Int = 1, _ rows: Int, _ columns: Int) -> StoredMatrix
  {
    var random = SeededGenerator(seed: 5)
    return masked(bits: bits, rows, columns) { store in
      for column in stride(from: 0, to: columns, by: run) where Double(random.uniform()) >= sparsity {
        for place in column..<min(column + run, columns) { store(place) }
      }
    }
  }

  /// Two of every four weights, in one of six ways.
  static func twoOfFour(bits: Int, _ rows: Int, _ columns: Int) -> StoredMatrix {
    let ways = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    var random = SeededGenerator(seed: 6)
    return masked(bits: bits, rows, columns) { store in
      for column in stride(from: 0, to: columns - columns % 4, by: 4) {
        let way = ways[Int(random.next() % 6)]
        store(column + way.0)
        store(column + way.1)
      }
    }
  }

  /// `fill` stores the places of one row.
  private static func masked(
    bits: Int, _ rows: Int, _ columns: Int, fill: ((Int) -> Void) -> Void
  ) -> StoredMatrix {
    let width = Masked.maskBytes(columns)
    var (mask, count) = ([UInt8](repeating: 0, count: rows * width), 0)
    for row in 0..<rows {
      fill { column in
        mask[row * width + column / 8] |= 1 << (column % 8)
        count += 1
      }
    }
    let scales = Masked.Scales(groupSize: 64, values: halves(rows * (columns / 64)))
    let values: Masked.Values =
      switch bits {
      case 4:
        .fourBits(
          codes: randomBytes((count + 1) / 2), table: Bytes(copying: randomFloats(16)), scales: scales)
      case 8: .int8(codes: randomBytes(count), scales: scales)
      default: .float16(halves(count))
      }
    return .masked(
      Masked(rows: rows, columns: columns, positions: .bitmask(Bytes(copying: mask)), values: values))
  }

  /// Columns are rounded up to whole blocks.
  private static func blocks(_ format: Blocks.Format, _ rows: Int, _ columns: Int) -> StoredMatrix {
    let wide = (columns + format.weights - 1) / format.weights * format.weights
    let bytes = Bytes(count: rows * (wide / format.weights) * format.bytes) {
      $0.initializeMemory(as: UInt8.self, repeating: 0x23)
    }
    return .blocks(Blocks(rows: rows, columns: wide, format: format, data: bytes))
  }
}

/// Numbers between −1 and 1.
func randomFloats(_ count: Int) -> [Float] {
  var random = SeededGenerator(seed: 1)
  return (0..<count).map { _ in random.uniform() * 2 - 1 }
}

private func randomBytes(_ count: Int) -> Bytes {
  var random = SeededGenerator(seed: 2)
  return Bytes(copying: (0..<(count + 7) / 8).map { _ in random.next() })[0..<count]
}

/// 16-bit patterns that are small numbers both as half precision and as bfloat16.
private func halves(_ count: Int) -> Bytes {
  var random = SeededGenerator(seed: 3)
  return Bytes(copying: (0..<count).map { _ in UInt16(0x3000 + random.next() % 0x800) })
}
