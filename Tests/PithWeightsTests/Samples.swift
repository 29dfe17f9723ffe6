import PithTensors
import PithWeights

/// A stored matrix beside its weights, computed from the definition of the storage.
struct Sample {
  let name: String
  let matrix: StoredMatrix
  /// `rows × columns` weights: what decoding must give, to the bit.
  let weights: [Float]
  /// No weight, and no part of one, is larger than this.
  let bound: Float
}

extension Sample {
  static func dense(_ format: Dense.Format, _ rows: Int, _ columns: Int, seed: UInt64) -> Sample {
    var random = SeededGenerator(seed: seed)
    let numbers = random.floats(rows * columns)
    let (bytes, weights): (Bytes, [Float]) =
      switch format {
      case .float32: (Bytes(copying: numbers), numbers)
      case .float16: (Bytes(copying: numbers.map(Half.encode)), numbers.map { half(Half.encode($0)) })
      case .bfloat16:
        (
          Bytes(copying: numbers.map { UInt16($0.bitPattern >> 16) }),
          numbers.map { Float(bitPattern: $0.bitPattern & 0xFFFF_0000) }
        )
      }
    return Sample(
      name: "\(format) \(rows)×\(columns)",
      matrix: .dense(Dense(rows: rows, columns: columns, format: format, values: bytes)), weights: weights,
      bound: 1)
  }

  /// The same weights, column after column.
  var byColumns: Sample {
    Sample(name: "\(name) by columns", matrix: matrix.byColumns, weights: weights, bound: bound)
  }

  static func affine(
    bits: Int, groupSize: Int, symmetric: Bool, fractions: Bool = false, _ rows: Int, _ columns: Int,
    seed: UInt64
  ) -> Sample {
    var random = SeededGenerator(seed: seed)
    let groups = (columns + groupSize - 1) / groupSize
    let codes = random.codes(rows * columns, bits: bits)
    let scales = random.floats(rows * groups).map(Half.encode)
    let zeros = random.codes(rows * groups, bits: bits)
    let weights = (0..<rows * columns).map { index in
      let group = index / columns * groups + index % columns / groupSize
      let zero = symmetric ? Float(1 << (bits - 1)) : Float(zeros[group]) + (fractions ? 0.25 : 0)
      return half(scales[group]) * (Float(codes[index]) - zero)
    }
    let affine = Affine(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize,
      codes: Packing.pack(codes, rows: rows, bits: bits), scales: .float16(Bytes(copying: scales)),
      zeros: symmetric
        ? nil
        : fractions
          ? .float16(Bytes(copying: zeros.map { Half.encode(Float($0) + 0.25) }))
          : .codes(Packing.pack(zeros, rows: rows, bits: bits)))
    return Sample(
      name: "affine \(bits) bits, groups of \(groupSize), symmetric \(symmetric), fractions \(fractions), "
        + "\(rows)×\(columns)",
      matrix: .affine(affine), weights: weights, bound: Float(1 << bits))
  }

  /// Affine integers whose scales are codes in turn, `scaleGroup` groups sharing a step and a minimum.
  static func affine(
    bits: Int, groupSize: Int, scaleBits: Int, scaleGroup: Int, zeros hasZeros: Bool, _ rows: Int,
    _ columns: Int, seed: UInt64
  ) -> Sample {
    var random = SeededGenerator(seed: seed)
    let groups = (columns + groupSize - 1) / groupSize
    let steps = (groups + scaleGroup - 1) / scaleGroup
    let codes = random.codes(rows * columns, bits: bits)
    let zeros = random.codes(rows * groups, bits: bits)
    let scaleCodes = random.codes(rows * groups, bits: scaleBits)
    let (step, minimum) = (
      random.floats(rows * steps).map { Half.encode($0 / Float(1 << scaleBits)) },
      random.floats(rows * steps).map(Half.encode)
    )
    let weights = (0..<rows * columns).map { index in
      let (row, group) = (index / columns, index % columns / groupSize)
      let place = row * steps + group / scaleGroup
      let product = half(step[place]) * Float(scaleCodes[row * groups + group])
      let scale = product + half(minimum[place])
      let zero = hasZeros ? Float(zeros[row * groups + group]) : Float(1 << (bits - 1))
      return scale * (Float(codes[index]) - zero)
    }
    let scales = Affine.QuantizedScales(
      bits: scaleBits, groupSize: scaleGroup, codes: Packing.pack(scaleCodes, rows: rows, bits: scaleBits),
      steps: Bytes(copying: step), minima: Bytes(copying: minimum))
    let affine = Affine(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize,
      codes: Packing.pack(codes, rows: rows, bits: bits), scales: .quantized(scales),
      zeros: hasZeros ? .codes(Packing.pack(zeros, rows: rows, bits: bits)) : nil)
    return Sample(
      name: "affine \(bits) bits, groups of \(groupSize), scales in \(scaleBits) bits by \(scaleGroup), "
        + "\(rows)×\(columns)",
      matrix: .affine(affine), weights: weights, bound: Float(2 << bits))
  }

  /// A few values that are not 0.
  static func sparse(_ rows: Int, _ columns: Int, share: Float, seed: UInt64) -> Sample {
    var random = SeededGenerator(seed: seed)
    let weights = random.floats(rows * columns).map { value in
      random.uniform() < share ? half(Half.encode(value)) : 0
    }
    return Sample(
      name: "sparse \(share), \(rows)×\(columns)",
      matrix: .sparse(Sparse(Matrix(rows: rows, columns: columns, values: weights))), weights: weights,
      bound: 1)
  }

  /// How weights behind a mask are written.
  enum MaskedValues: CaseIterable { case float16, int8, fourBits }

  /// A share of the weights behind a mask; some rows have none, some all; perhaps in whole runs of columns.
  static func masked(
    _ values: MaskedValues, groupSize: Int, _ rows: Int, _ columns: Int, share: Float, run: Int = 1,
    seed: UInt64
  ) -> Sample {
    var random = SeededGenerator(seed: seed)
    let groups = (columns + groupSize - 1) / groupSize
    let (table, scales) = (random.floats(16), random.floats(rows * groups).map(Half.encode))
    let width = Masked.maskBytes(columns)
    var mask = [UInt8](repeating: 0, count: rows * width)
    var (weights, halves, codes) = ([Float](repeating: 0, count: rows * columns), [UInt16](), [UInt8]())
    var isStored = false
    for index in weights.indices {
      let (row, column) = (index / columns, index % columns)
      let share = row % 4 == 1 ? 0 : row % 4 == 2 ? 1 : share
      if column % run == 0 { isStored = random.uniform() < share }
      guard isStored else { continue }
      mask[row * width + column / 8] |= 1 << (column % 8)
      let scale = half(scales[row * groups + column / groupSize])
      switch values {
      case .float16:
        halves.append(Half.encode(random.floats(1)[0]))
        weights[index] = half(halves.last!)
      case .int8:
        codes += random.codes(1, bits: 8)
        weights[index] = scale * Float(Int(codes.last!) - 128)
      case .fourBits:
        codes += random.codes(1, bits: 4)
        weights[index] = scale * table[Int(codes.last!)]
      }
    }
    let groupScales = Masked.Scales(groupSize: groupSize, values: Bytes(copying: scales))
    let stored: Masked.Values =
      switch values {
      case .float16: .float16(Bytes(copying: halves))
      case .int8: .int8(codes: Bytes(copying: codes), scales: groupScales)
      case .fourBits:
        .fourBits(
          codes: Packing.pack(codes, rows: 1, bits: 4), table: Bytes(copying: table), scales: groupScales)
      }
    return Sample(
      name: "masked \(values) \(share), runs of \(run), groups of \(groupSize), \(rows)×\(columns)",
      matrix: .masked(
        Masked(rows: rows, columns: columns, positions: .bitmask(Bytes(copying: mask)), values: stored)),
      weights: weights, bound: values == .int8 ? 128 : 1)
  }

  /// How the groups of a codebook are scaled.
  enum Scaling: CaseIterable { case none, float32, float16, doubleQuantized }

  static func codebook(
    bits: Int, tablePerRow: Bool, _ scaling: Scaling, groupSize: Int, _ rows: Int, _ columns: Int,
    seed: UInt64
  ) -> Sample {
    var random = SeededGenerator(seed: seed)
    let groups = (columns + groupSize - 1) / groupSize
    let codes = random.codes(rows * columns, bits: bits)
    let entries = random.floats((tablePerRow ? rows : 1) << bits)
    let table = tablePerRow ? entries.map { half(Half.encode($0)) } : entries
    let (stored, scales) = random.scales(scaling, count: rows * groups)
    let weights = (0..<rows * columns).map { index in
      let row = index / columns
      let value = table[(tablePerRow ? row << bits : 0) + Int(codes[index])]
      return scaling == .none ? value : scales[row * groups + index % columns / groupSize] * value
    }
    let codebook = Codebook(
      rows: rows, columns: columns, bits: bits, codes: Packing.pack(codes, rows: rows, bits: bits),
      tables: tablePerRow ? Bytes(copying: entries.map(Half.encode)) : Bytes(copying: entries),
      tablePerRow: tablePerRow, groupSize: groupSize, scales: stored)
    return Sample(
      name: "codebook \(bits) bits, table per row \(tablePerRow), scales \(scaling), groups of \(groupSize), "
        + "\(rows)×\(columns)",
      matrix: .codebook(codebook), weights: weights, bound: max(1, scales.map(abs).max() ?? 1))
  }
}

extension Sample {
  static func vectors(
    _ layout: VectorCodebook.Layout, scaled: Bool, _ rows: Int, _ columns: Int, seed: UInt64
  ) -> Sample {
    var random = SeededGenerator(seed: seed)
    let codesPerRow = layout.codesPerRow(columns)
    let codes = (0..<rows * codesPerRow).map { _ in
      UInt16.random(in: 0...UInt16(1 << layout.bits - 1), using: &random)
    }
    let tables = random.floats(layout.tableShape.reduce(1, *)).map(Half.encode)
    let scales = random.floats(rows).map(Half.encode)
    let weights = (0..<rows * columns).map { index in
      let (row, run) = (index / columns, index % columns / layout.dimension)
      var sum: Float = 0
      for book in 0..<layout.codebooks {
        let code = Int(codes[row * codesPerRow + run * layout.codebooks + book])
        let table = (run % layout.sets * layout.codebooks + book) << layout.bits
        let value = half(tables[(table + code) * layout.dimension + index % columns % layout.dimension])
        sum = book == 0 ? value : sum + value
      }
      return scaled ? sum * half(scales[row]) : sum
    }
    let storage = VectorCodebook(
      rows: rows, columns: columns, layout: layout,
      codes: Packing.pack(codes, rows: rows, bits: layout.bits), tables: Bytes(copying: tables),
      scales: scaled ? Bytes(copying: scales) : nil)
    return Sample(
      name: "vectors \(layout), scaled \(scaled), \(rows)×\(columns)", matrix: .vectors(storage),
      weights: weights, bound: Float(layout.codebooks))
  }
}

extension SeededGenerator {
  /// Numbers between −1 and 1.
  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
  }

  mutating func codes(_ count: Int, bits: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...UInt8((1 << bits) - 1), using: &self) }
  }

  /// Scales as they are stored, and the numbers that they stand for.
  fileprivate mutating func scales(_ scaling: Sample.Scaling, count: Int) -> (Codebook.Scales?, [Float]) {
    let numbers = floats(count)
    switch scaling {
    case .none: return (nil, [])
    case .float32: return (.float32(Bytes(copying: numbers)), numbers)
    case .float16:
      let bits = numbers.map(Half.encode)
      return (.float16(Bytes(copying: bits)), bits.map(half))
    case .doubleQuantized:
      let codes = codes(count, bits: 8)
      let blocks = floats((count + 255) / 256).map { $0 / 128 }
      let mean: Float = 0.7
      let values = codes.enumerated().map { mean + blocks[$0.offset / 256] * (Float($0.element) - 127) }
      return (
        .doubleQuantized(codes: Bytes(copying: codes), blockScales: Bytes(copying: blocks), mean: mean),
        values
      )
    }
  }
}

/// The value of half-precision bits, by the definition of IEEE 754.
func half(_ bits: UInt16) -> Float {
  let (exponent, fraction) = (Int(bits >> 10 & 31), Float(bits & 0x3FF))
  let magnitude: Float =
    switch exponent {
    case 0: Float(sign: .plus, exponent: -24, significand: fraction)
    case 31: fraction == 0 ? .infinity : .nan
    default: Float(sign: .plus, exponent: exponent - 25, significand: 1024 + fraction)
    }
  return bits & 0x8000 == 0 ? magnitude : -magnitude
}
