import Foundation
import PithCheckpoints
import PithJSON
import PithTensors
import PithTestSupport
import PithWeights
import Testing

struct PackedStorageTests {
  /// One matrix of every storage and variant.
  static func matrices() -> [(name: String, matrix: StoredMatrix)] {
    var random = SeededGenerator(seed: 5)
    func bytes(_ count: Int) -> Bytes {
      Bytes(copying: (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    func halves(_ count: Int) -> Bytes {
      Bytes(copying: (0..<count).map { _ in Half.encode(Float.random(in: -2...2, using: &random)) })
    }
    func floats(_ count: Int) -> Bytes {
      Bytes(copying: (0..<count).map { _ in Float.random(in: -2...2, using: &random) })
    }
    let (rows, columns) = (3, 37)
    var matrices: [(String, StoredMatrix)] = [
      ("f32", .dense(Dense(rows: rows, columns: columns, format: .float32, values: floats(rows * columns)))),
      ("f16", .dense(Dense(rows: rows, columns: columns, format: .float16, values: halves(rows * columns)))),
      (
        "bf16", .dense(Dense(rows: rows, columns: columns, format: .bfloat16, values: halves(rows * columns)))
      ),
    ]
    for bits in 2...8 {
      for zeros in [true, false] {
        matrices.append(
          (
            "int\(bits)\(zeros)",
            .affine(
              Affine(
                rows: rows, columns: columns, bits: bits, groupSize: 5,
                codes: bytes(rows * Packing.bytesPerRow(columns, bits: bits)),
                scales: .float16(halves(rows * 8)),
                zeros: zeros ? .codes(bytes(rows * Packing.bytesPerRow(8, bits: bits))) : nil))
          ))
      }
    }
    let scales: [Codebook.Scales?] = [
      nil, .float32(floats(rows * 8)), .float16(halves(rows * 8)),
      .doubleQuantized(codes: bytes(rows * 8), blockScales: floats(1), mean: 0.25),
    ]
    for (index, scales) in scales.enumerated() {
      for perRow in [true, false] {
        matrices.append(
          (
            "codes\(index)\(perRow)",
            .codebook(
              Codebook(
                rows: rows, columns: columns, bits: 3,
                codes: bytes(rows * Packing.bytesPerRow(columns, bits: 3)),
                tables: perRow ? halves(rows * 8) : floats(8), tablePerRow: perRow, groupSize: 5,
                scales: scales))
          ))
      }
    }
    for (index, bits) in [1, 5, 8, 12].enumerated() {
      let layout = VectorCodebook.Layout(dimension: 5, codebooks: 1 + index, bits: bits, sets: 1 + index)
      let vectors = StoredMatrix.vectors(
        VectorCodebook(
          rows: rows, columns: columns, layout: layout,
          codes: bytes(rows * Packing.bytesPerRow(layout.codesPerRow(columns), bits: bits)),
          tables: halves(layout.tableShape.reduce(1, *)), scales: index % 2 == 0 ? nil : halves(rows)))
      matrices.append(("vectors\(bits)", vectors))
      let rotation = BlockRotation(size: columns, values: halves(columns * columns))
      matrices.append(("rotated\(bits)", .transformed(Transformed(.blockRotation(rotation), vectors))))
    }
    let quantizedScales = Affine.QuantizedScales(
      bits: 3, groupSize: 4, codes: bytes(rows * 2), steps: halves(rows * 2), minima: halves(rows * 2))
    let base = StoredMatrix.affine(
      Affine(
        rows: rows, columns: columns, bits: 3, groupSize: 8,
        codes: bytes(rows * Packing.bytesPerRow(columns, bits: 3)), scales: .quantized(quantizedScales),
        zeros: .codes(bytes(rows * 2))))
    for (name, every) in [("none", 1000), ("some", 7), ("all", 1)] {
      let values = (0..<(rows * columns)).map { $0 % every == every - 1 ? Float($0 + 1) : 0 }
      let outliers = StoredMatrix.sparse(Sparse(Matrix(rows: rows, columns: columns, values: values)))
      matrices.append(("outliers\(name)", .sum(MatrixSum([base, outliers]))))
    }
    for (name, every) in [("none", 1000), ("half", 2), ("all", 1)] {
      let values = (0..<(rows * columns)).map { $0 % every == every - 1 ? Float($0 + 1) : 0 }
      let masked = Masked(Matrix(rows: rows, columns: columns, values: values))
      matrices.append(("masked\(name)", .masked(masked)))
      let groups = (columns + 15) / 16
      let scales = Masked.Scales(groupSize: 16, values: halves(rows * groups))
      let table = floats(16)
      for (kind, values) in [
        ("int8", Masked.Values.int8(codes: bytes(masked.count), scales: scales)),
        ("codes", .fourBits(codes: bytes((masked.count + 1) / 2), table: table, scales: scales)),
      ] {
        matrices.append(
          (
            "masked\(kind)\(name)",
            .masked(Masked(rows: rows, columns: columns, positions: masked.positions, values: values))
          ))
      }
    }
    let block = BlockShape(rows: 2, columns: 4)!
    let blocks = Masked.Positions.smallest(rows: rows, columns: columns, block: block) {
      $0 / 2 % 2 == $1 / 4 % 2
    }
    let kept = (0..<(rows * columns)).count { $0 / columns / 2 % 2 == $0 % columns / 4 % 2 }
    matrices.append(
      (
        "maskedblocks",
        .masked(Masked(rows: rows, columns: columns, positions: blocks, values: .float16(halves(kept))))
      ))
    for bits in [4, 8] {
      for (threshold, activations) in [(nil, .int8), (6.5, .int4)] as [(Float?, IntegerProduct.Activations)] {
        matrices.append(
          (
            "product\(bits)\(activations)",
            .integer(
              IntegerProduct(
                rows: rows, columns: columns, bits: bits,
                codes: bytes(rows * Packing.bytesPerRow(columns, bits: bits)),
                scales: bits == 4 ? .float16(halves(rows)) : .float32(floats(rows)),
                activations: activations, threshold: threshold))
          ))
      }
    }
    let left = Dense(rows: rows, columns: 4, format: .float16, values: halves(rows * 4))
    let right = Dense(rows: 4, columns: columns, format: .float32, values: floats(4 * columns))
    matrices.append(("lowrank", .product(MatrixProduct(.dense(left), .dense(right)))))
    let shape = TensorTrain.Shape(rows: 5, outputs: [2, 3], inputs: [4, 2], ranks: [3])
    let cores = shape.cores.map {
      Dense(rows: $0.rows, columns: $0.columns, format: .float16, values: halves($0.rows * $0.columns))
    }
    matrices.append(("train", .tensorTrain(TensorTrain(shape, cores: cores))))
    for format in Blocks.Format.allCases {
      let data = Bytes(copying: [UInt8](repeating: 0x11, count: rows * format.bytes))
      matrices.append(
        (format.name, .blocks(Blocks(rows: rows, columns: format.weights, format: format, data: data))))
    }
    return matrices
  }

  @Test func everyStorageIsReadAsItWasWritten() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let matrices = Self.matrices()
    try write(matrices, to: folder)
    let checkpoint = try Checkpoint(path: folder)
    for (name, matrix) in matrices {
      let read = try checkpoint.matrix(name, rows: matrix.rows, columns: matrix.columns)
      #expect(read.tensors == matrix.tensors, "\(name)")
      #expect(read.summary == matrix.summary, "\(name)")
      #expect(read.decoded().values.map(\.bitPattern) == matrix.decoded().values.map(\.bitPattern), "\(name)")
    }
    #expect(try checkpoint.vector("vector", count: 3) == [1, 2, 3])
  }

  @Test func aScaleThatIsNotFiniteIsNamed() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let matrix = StoredMatrix.affine(
      Affine(
        rows: 1, columns: 4, bits: 4, groupSize: 4, codes: Bytes(copying: [UInt8(0), 0]),
        scales: .float16(Bytes(copying: [Half.encode(.nan)])), zeros: nil))
    try write([("weight", matrix)], to: folder)
    let checkpoint = try Checkpoint(path: folder)
    let error = #expect(throws: CheckpointError.self) { try checkpoint.matrix("weight", rows: 1, columns: 4) }
    #expect(error?.description.contains("weight") == true && error?.description.contains("scales") == true)
  }

  @Test func aSparseMatrixThatIsNoneIsNamed() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let matrix = StoredMatrix.sparse(Sparse(Matrix(rows: 1, columns: 4, values: [0, 1, 2, 0])))
    try write([("weight", matrix)], to: folder)
    let path = folder + "/model.safetensors"
    var file = try Data(contentsOf: URL(filePath: path))
    let indices = try #require(file.range(of: Data([1, 0, 2, 0])))
    file[indices.lowerBound + 2] = 4
    try file.write(to: URL(filePath: path))
    let checkpoint = try Checkpoint(path: folder)
    let error = #expect(throws: CheckpointError.self) { try checkpoint.matrix("weight", rows: 1, columns: 4) }
    #expect(error?.description.contains("columns of row 0") == true)
  }

  @Test func anotherShapeThanAskedForIsNamed() throws {
    let checkpoint = try Checkpoint(path: Fixtures.path("models/llama"))
    let error = #expect(throws: CheckpointError.self) {
      try checkpoint.matrix("model.embed_tokens.weight", rows: 60, columns: 28)
    }
    #expect(error?.description.contains("61 × 28") == true)
  }

  private func write(_ matrices: [(name: String, matrix: StoredMatrix)], to folder: String) throws {
    let staged = try StagedFolder(folder, filledAt: folder + ".partial", overwrite: false)
    _ = try staged.writeCheckpoint(
      matrices: matrices, vectors: [("vector", [1, 2, 3])], configuration: ["model_type": "llama"], files: [])
    try staged.commit()
  }
}
