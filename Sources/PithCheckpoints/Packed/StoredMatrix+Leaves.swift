import PithTensors
import PithWeights

/// Reads the tensor of a role, of which type and shape are described.
typealias TensorReader = (String, NamedTensor.ElementType, [Int]) throws(StorageFault) -> Bytes

extension Affine {
  /// An affine matrix out of its tensors.
  init(
    rows: Int, columns: Int, bits: Int, groupSize: Int, zeros: StorageDescription.ZeroKind,
    quantizedScales: StorageDescription.QuantizedScales?, read: TensorReader
  ) throws(StorageFault) {
    let groups = (columns + groupSize - 1) / groupSize
    let codes = try read("codes", .uint8, [rows, Packing.bytesPerRow(columns, bits: bits)])
    let scales: Scales
    if let quantizedScales {
      let (bits, size) = (quantizedScales.bits, quantizedScales.groupSize)
      let count = (groups + size - 1) / size
      scales = .quantized(
        QuantizedScales(
          bits: bits, groupSize: size,
          codes: try read("scales", .uint8, [rows, Packing.bytesPerRow(groups, bits: bits)]),
          steps: try read("scale_steps", .float16, [rows, count]),
          minima: try read("scale_minima", .float16, [rows, count])))
    } else {
      scales = .float16(try read("scales", .float16, [rows, groups]))
    }
    let zeroPoints: Zeros? =
      switch zeros {
      case .none: nil
      case .codes: .codes(try read("zeros", .uint8, [rows, Packing.bytesPerRow(groups, bits: bits)]))
      case .float16: .float16(try read("zeros", .float16, [rows, groups]))
      }
    self.init(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize, codes: codes, scales: scales,
      zeros: zeroPoints)
  }
}

extension IntegerProduct {
  /// An integer product out of its tensors.
  init(
    rows: Int, columns: Int, bits: Int, activations: Activations, float32Scales: Bool, threshold: Float?,
    read: TensorReader
  ) throws(StorageFault) {
    self.init(
      rows: rows, columns: columns, bits: bits,
      codes: try read("codes", .uint8, [rows, Packing.bytesPerRow(columns, bits: bits)]),
      scales: float32Scales
        ? .float32(try read("scales", .float32, [rows])) : .float16(try read("scales", .float16, [rows])),
      activations: activations, threshold: threshold)
  }
}

extension Sparse {
  /// A sparse matrix out of its tensors.
  init(rows: Int, columns: Int, count: Int, read: TensorReader) throws(StorageFault) {
    let pointers = try read("row_pointers", .uint32, [rows + 1])
    let indices = try read("column_indices", .uint16, [count])
    let values = try read("values", .float16, [count])
    let fault = Sparse.fault(
      rows: rows, columns: columns, rowPointers: pointers, columnIndices: indices, values: values)
    if let fault { throw StorageFault(sentence: fault) }
    self.init(rows: rows, columns: columns, rowPointers: pointers, columnIndices: indices, values: values)
  }
}

extension Masked {
  /// A masked matrix out of its tensors.
  init(
    rows: Int, columns: Int, count: Int, positions: StorageDescription.MaskedPositions,
    values: StorageDescription.MaskedValues, read: TensorReader
  ) throws(StorageFault) {
    let places: Positions
    switch positions {
    case .bitmask: places = .bitmask(try read("mask", .uint8, [rows, Masked.maskBytes(columns)]))
    case .pattern(let kept, let run):
      let width = Packing.bytesPerRow(columns / run * kept, bits: Positions.bits(run))
      places = .pattern(kept: kept, of: run, places: try read("places", .uint8, [rows, width]))
    case .blocks(let shape):
      let grid = shape.grid(rows: rows, columns: columns)
      places = .blocks(
        shape, try read("blocks", .uint8, [grid.rows, shape.bytes(columns: columns)]))
    case .gaps(let count):
      places = .gaps(
        try read("gaps", .uint8, [count]), counts: try read("gap_counts", .uint16, [rows]))
    case .seed(let seed, let perRow): places = .seed(seed, perRow: perRow)
    }
    func scales(_ groupSize: Int) throws(StorageFault) -> Scales {
      let groups = (columns + groupSize - 1) / groupSize
      return Scales(groupSize: groupSize, values: try read("scales", .float16, [rows, groups]))
    }
    let stored: Values
    switch values {
    case .float16: stored = .float16(try read("values", .float16, [count]))
    case .int8(let groupSize):
      stored = .int8(codes: try read("codes", .uint8, [count]), scales: try scales(groupSize))
    case .fourBits(let groupSize):
      stored = .fourBits(
        codes: try read("codes", .uint8, [(count + 1) / 2]), table: try read("table", .float32, [16]),
        scales: try scales(groupSize))
    }
    if let fault = Masked.fault(rows: rows, columns: columns, positions: places, values: stored) {
      throw StorageFault(sentence: fault)
    }
    self.init(rows: rows, columns: columns, positions: places, values: stored)
  }
}
