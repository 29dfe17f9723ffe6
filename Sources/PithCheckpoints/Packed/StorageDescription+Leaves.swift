import PithJSON
import PithWeights

extension StorageDescription {
  /// Reads the description of an affine matrix.
  static func affine(_ fields: Fields, rows: Int, columns: Int) throws(CheckpointError) -> Self {
    let bits = try fields.size("bits")
    guard (2...8).contains(bits) else { throw fields.bad("'bits' of affine codes must be from 2 to 8") }
    var quantizedScales: QuantizedScales?
    if let bits = try fields.size(optional: "scale_bits") {
      guard bits <= 8 else { throw fields.bad("'scale_bits' must be from 1 to 8") }
      quantizedScales = QuantizedScales(bits: bits, groupSize: try fields.size("scale_group_size"))
    }
    let zeros: ZeroKind
    switch try fields.text("zeros") {
    // Written before zero points could be float16.
    case nil: zeros = try fields.flag("symmetric") ?? false ? .none : .codes
    case let text?:
      guard let kind = ZeroKind(rawValue: text) else {
        throw fields.bad("'zeros' must be none, codes or float16")
      }
      zeros = kind
    }
    return .affine(
      rows: rows, columns: columns, bits: bits, groupSize: try fields.size("group_size"),
      zeros: zeros, quantizedScales: quantizedScales)
  }

  /// Reads the description of an integer product.
  static func integer(_ fields: Fields, rows: Int, columns: Int) throws(CheckpointError) -> Self {
    let bits = try fields.size("bits")
    guard bits == 4 || bits == 8 else { throw fields.bad("'bits' of integer products must be 4 or 8") }
    guard columns <= IntegerProduct.largestColumns else {
      throw fields.bad("'columns' of integer products must be at most \(IntegerProduct.largestColumns)")
    }
    guard let activations = try fields.text("activations").flatMap(IntegerProduct.Activations.init) else {
      throw fields.bad("'activations' must be int8 or int4")
    }
    guard let scales = try fields.text("scales"), ["float16", "float32"].contains(scales) else {
      throw fields.bad("'scales' must be float16 or float32")
    }
    return .integer(
      rows: rows, columns: columns, bits: bits, activations: activations, float32Scales: scales == "float32",
      threshold: try fields.number(optional: "threshold"))
  }

  /// Reads the format of plain values.
  static func denseFormat(_ fields: Fields) throws(CheckpointError) -> Dense.Format {
    let name = try fields.text("format")
    guard let format = Dense.Format.allCases.first(where: { $0.rawValue == name }) else {
      throw fields.bad(
        "'format' must be one of \(Dense.Format.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return format
  }

  /// Reads the description of a tensor train.
  static func tensorTrain(_ fields: Fields, rows: Int, columns: Int) throws(CheckpointError) -> Self {
    func sizes(_ name: String, count: Int? = nil) throws(CheckpointError) -> [Int] {
      let sizes = (fields.json[name]?.array.map { Array($0) } ?? []).compactMap(\.int)
      guard sizes.count == count ?? min(max(sizes.count, 1), 8),
        sizes.allSatisfy({ (1...65536).contains($0) })
      else {
        throw fields.bad("'\(name)' of a tensor train must hold \(count.map(String.init) ?? "1 to 8") sizes")
      }
      return sizes
    }
    let outputs = try sizes("outputs")
    let inputs = try sizes("inputs", count: outputs.count)
    let ranks = try sizes("ranks", count: outputs.count - 1)
    func product(_ sizes: [Int]) -> Int {
      sizes.reduce(1) { $0 > Fields.largest ? $0 : $0 * $1 }
    }
    guard rows <= product(outputs), columns == product(inputs) else {
      throw fields.bad("the sizes of a tensor train are not those of \(rows) rows of \(columns) columns")
    }
    return .tensorTrain(
      TensorTrain.Shape(rows: rows, outputs: outputs, inputs: inputs, ranks: ranks),
      format: try denseFormat(fields))
  }

  /// Reads the description of a sparse matrix.
  static func sparse(_ fields: Fields, rows: Int, columns: Int) throws(CheckpointError) -> Self {
    guard columns <= Sparse.largestColumns else {
      throw fields.bad("'columns' of sparse storage must be at most \(Sparse.largestColumns)")
    }
    return .sparse(rows: rows, columns: columns, count: try count(fields))
  }

  /// Reads the description of a masked matrix.
  static func masked(_ fields: Fields, rows: Int, columns: Int) throws(CheckpointError) -> Self {
    let count = try count(fields)
    func groupSize() throws(CheckpointError) -> Int {
      let size = try fields.size("group_size")
      guard size >= columns || size % 16 == 0 else {
        throw fields.bad("'group_size' of masked storage must be a multiple of 16, or all columns")
      }
      return size
    }
    let values: MaskedValues
    switch try fields.text("values") {
    case "float16": values = .float16
    case "int8": values = .int8(groupSize: try groupSize())
    case "codes4": values = .fourBits(groupSize: try groupSize())
    default: throw fields.bad("'values' of masked storage must be float16, int8 or codes4")
    }
    return .masked(
      rows: rows, columns: columns, count: count, positions: try positions(fields, columns: columns),
      values: values)
  }

  /// Reads how a masked matrix says which weights are stored.
  private static func positions(
    _ fields: Fields, columns: Int
  ) throws(CheckpointError) -> MaskedPositions {
    guard let positions = try fields.object("positions") else { throw fields.bad("'positions' is missing") }
    func number(_ name: String, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
      guard let value = positions.json[name]?.int, range.contains(value) else {
        throw fields.bad("'\(name)' of positions must be from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
    switch try positions.text("kind") {
    case "bitmask": return .bitmask
    case "pattern":
      let count = try number("of", 2...256)
      return .pattern(kept: try number("kept", 1...(count - 1)), of: count)
    case "blocks":
      let range = 1...32
      guard let shape = BlockShape(rows: try number("rows", range), columns: try number("columns", range))
      else {
        throw fields.bad("'rows' and 'columns' of blocks must be powers of two, not both 1")
      }
      return .blocks(shape)
    case "gaps": return .gaps(count: try number("count", 0...Int(Int32.max)))
    case "seed":
      guard let seed = try positions.text("seed").flatMap({ UInt64($0) }) else {
        throw fields.bad("'seed' must be a whole number, as a string")
      }
      return .seed(seed, perRow: try number("per_row", 0...columns))
    default: throw fields.bad("'kind' of positions must be bitmask, pattern, blocks, gaps or seed")
    }
  }

  private static func count(_ fields: Fields) throws(CheckpointError) -> Int {
    guard let count = fields.json["count"]?.int, (0...Int(Int32.max)).contains(count) else {
      throw fields.bad("'count' must be a whole number from 0 to \(Int32.max)")
    }
    return count
  }
}

extension StorageDescription.MaskedValues {
  /// How descriptions say it.
  var name: String {
    switch self {
    case .float16: "float16"
    case .int8: "int8"
    case .fourBits: "codes4"
    }
  }

  /// Columns that share a scale; nil where there are no scales.
  var groupSize: Int? {
    switch self {
    case .float16: nil
    case .int8(let size), .fourBits(let size): size
    }
  }
}

extension StorageDescription.MaskedPositions {
  init(_ positions: Masked.Positions) {
    switch positions {
    case .bitmask: self = .bitmask
    case .pattern(let kept, let count, _): self = .pattern(kept: kept, of: count)
    case .blocks(let shape, _): self = .blocks(shape)
    case .gaps(let gaps, _): self = .gaps(count: gaps.count)
    case .seed(let seed, let perRow): self = .seed(seed, perRow: perRow)
    }
  }

  /// How descriptions say it.
  var json: JSONValue {
    switch self {
    case .bitmask: ["kind": "bitmask"]
    case .pattern(let kept, let count): ["kind": "pattern", "kept": .int(kept), "of": .int(count)]
    case .blocks(let shape):
      ["kind": "blocks", "rows": .int(shape.rows), "columns": .int(shape.columns)]
    case .gaps(let count): ["kind": "gaps", "count": .int(count)]
    case .seed(let seed, let perRow):
      ["kind": "seed", "seed": .string("\(seed)"), "per_row": .int(perRow)]
    }
  }
}
