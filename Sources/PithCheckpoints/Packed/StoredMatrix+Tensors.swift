import PithTensors
import PithWeights

/// What is wrong with the tensors of a packed matrix.
struct StorageFault: Error {
  let sentence: String
}

extension StoredMatrix {
  /// A tensor of a file.
  typealias Tensor = (type: String, shape: [Int], bytes: Bytes)

  /// Puts a matrix together from the tensors that a description asks for.
  ///
  /// - Parameter tensor: the tensor of a role, if the file has it.
  /// - Throws: `StorageFault` if a tensor is missing, of another type or shape, or holds a number that is not finite.
  init(_ description: StorageDescription, tensor: (String) -> Tensor?) throws(StorageFault) {
    func bytes(_ role: String, _ type: NamedTensor.ElementType, _ shape: [Int]) throws(StorageFault) -> Bytes
    {
      guard let found = tensor(role) else { throw StorageFault(sentence: "its tensor '\(role)' is missing") }
      guard found.type == type.rawValue, found.shape == shape else {
        throw StorageFault(
          sentence:
            "its tensor '\(role)' is \(found.type) \(found.shape), but \(type.rawValue) \(shape) is described"
        )
      }
      guard isFinite(found.bytes, type) else {
        throw StorageFault(sentence: "its tensor '\(role)' holds a number that is not finite")
      }
      return found.bytes
    }
    func part(_ name: String, _ description: StorageDescription) throws(StorageFault) -> StoredMatrix {
      try StoredMatrix(description) { tensor("\(name).\($0)") }
    }
    func dense(
      _ role: String, _ rows: Int, _ columns: Int, _ format: Dense.Format
    ) throws(StorageFault) -> Dense {
      let type: NamedTensor.ElementType =
        switch format {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
      return Dense(
        rows: rows, columns: columns, format: format, values: try bytes(role, type, [rows, columns]))
    }
    switch description {
    case .dense(let rows, let columns, let format):
      self = .dense(try dense("weight", rows, columns, format))
    case .product(let left, let right):
      self = .product(MatrixProduct(try part("left", left), try part("right", right)))
    case .tensorTrain(let shape, let format):
      var cores: [Dense] = []
      for (index, core) in shape.cores.enumerated() {
        cores.append(try dense("core\(index).weight", core.rows, core.columns, format))
      }
      self = .tensorTrain(TensorTrain(shape, cores: cores))
    case .integer(let rows, let columns, let bits, let activations, let float32Scales, let threshold):
      self = .integer(
        try IntegerProduct(
          rows: rows, columns: columns, bits: bits, activations: activations, float32Scales: float32Scales,
          threshold: threshold, read: bytes))
    case .permuted(let inner):
      let matrix = try part("inner", inner)
      let order = try bytes("order", .uint16, [matrix.columns])
      let columns = order.array(of: UInt16.self).map { Int(UInt16(littleEndian: $0)) }
      guard columns.sorted() == Array(0..<matrix.columns) else {
        throw StorageFault(sentence: "its tensor 'order' is no permutation of the inputs")
      }
      self = .transformed(Transformed(.permutation(order), matrix))
    case .scaled(let inner):
      let matrix = try part("inner", inner)
      self = .transformed(Transformed(.scale(try bytes("input_scales", .float16, [matrix.columns])), matrix))
    case .rotated(let inner, let seed):
      let matrix = try part("inner", inner)
      self = .transformed(Transformed(.rotation(Rotation(size: matrix.columns, seed: seed)), matrix))
    case .blockRotated(let inner, let size):
      let matrix = try part("inner", inner)
      let rotation = BlockRotation(size: size, values: try bytes("rotation", .float16, [size, size]))
      self = .transformed(Transformed(.blockRotation(rotation), matrix))
    case .split(let parts):
      var matrices: [StoredMatrix] = []
      for (index, description) in parts.enumerated() {
        matrices.append(try part("part\(index)", description))
      }
      self = .split(ColumnSplit(matrices))
    case .sum(let terms):
      var matrices: [StoredMatrix] = []
      for (index, description) in terms.enumerated() {
        matrices.append(try part("term\(index)", description))
      }
      self = .sum(MatrixSum(matrices))
    case .sparse(let rows, let columns, let count):
      self = .sparse(try Sparse(rows: rows, columns: columns, count: count, read: bytes))
    case .masked(let rows, let columns, let count, let positions, let values):
      self = .masked(
        try Masked(
          rows: rows, columns: columns, count: count, positions: positions, values: values, read: bytes))
    case .affine(let rows, let columns, let bits, let groupSize, let zeros, let quantizedScales):
      self = .affine(
        try Affine(
          rows: rows, columns: columns, bits: bits, groupSize: groupSize, zeros: zeros,
          quantizedScales: quantizedScales, read: bytes))
    case .codebook(let rows, let columns, let bits, let groupSize, let tablePerRow, let kind):
      let groups = (columns + groupSize - 1) / groupSize
      let scales: Codebook.Scales? =
        switch kind {
        case .none: nil
        case .float32: .float32(try bytes("scales", .float32, [rows, groups]))
        case .float16: .float16(try bytes("scales", .float16, [rows, groups]))
        case .doubleQuantized:
          .doubleQuantized(
            codes: try bytes("scales", .uint8, [rows, groups]),
            blockScales: try bytes("block_scales", .float32, [(rows * groups + 255) / 256]),
            mean: try bytes("scale_mean", .float32, [1]).array(of: Float.self)[0])
        }
      self = .codebook(
        Codebook(
          rows: rows, columns: columns, bits: bits,
          codes: try bytes("codes", .uint8, [rows, Packing.bytesPerRow(columns, bits: bits)]),
          tables: try bytes(
            "table", Codebook.tableType(perRow: tablePerRow), tablePerRow ? [rows, 1 << bits] : [1 << bits]),
          tablePerRow: tablePerRow, groupSize: groupSize, scales: scales))
    case .vectors(let rows, let columns, let layout, let isScaled):
      let rowBytes = Packing.bytesPerRow(layout.codesPerRow(columns), bits: layout.bits)
      self = .vectors(
        VectorCodebook(
          rows: rows, columns: columns, layout: layout, codes: try bytes("codes", .uint8, [rows, rowBytes]),
          tables: try bytes("table", .float16, layout.tableShape),
          scales: isScaled ? try bytes("scales", .float16, [rows]) : nil))
    case .blocks(let rows, let columns, let format):
      guard columns % format.weights == 0 else {
        throw StorageFault(sentence: "\(columns) columns do not divide into blocks of \(format.weights)")
      }
      let data = try bytes(format.name, .uint8, [rows, columns / format.weights * format.bytes])
      let blocks = Blocks(rows: rows, columns: columns, format: format, data: data)
      guard blocks.hasFiniteScales else { throw StorageFault(sentence: "it has a scale that is not finite") }
      self = .blocks(blocks)
    }
  }
}

/// Whether no element is NaN or infinite: an exponent of all ones.
private func isFinite(_ bytes: Bytes, _ type: NamedTensor.ElementType) -> Bool {
  func all<Bits: FixedWidthInteger & BitwiseCopyable>(_: Bits.Type, _ exponent: Bits) -> Bool {
    bytes.withUnsafeBytes { source in
      stride(from: 0, to: source.count - MemoryLayout<Bits>.size + 1, by: MemoryLayout<Bits>.size).allSatisfy
      {
        source.loadUnaligned(fromByteOffset: $0, as: Bits.self) & exponent != exponent
      }
    }
  }
  switch type {
  case .uint8, .uint16, .uint32: return true
  case .float16: return all(UInt16.self, 0x7C00)
  case .bfloat16: return all(UInt16.self, 0x7F80)
  case .float32: return all(UInt32.self, 0x7F80_0000)
  }
}
