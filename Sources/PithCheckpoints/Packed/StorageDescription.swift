import PithJSON
import PithWeights

/// What a packed matrix's tensors mean: one member of `quantization_config.matrices` in `config.json`
/// (docs/format.md).
indirect enum StorageDescription: Equatable, Sendable {
  case affine(
    rows: Int, columns: Int, bits: Int, groupSize: Int, zeros: ZeroKind, quantizedScales: QuantizedScales?)
  case codebook(rows: Int, columns: Int, bits: Int, groupSize: Int, tablePerRow: Bool, scales: ScaleKind)
  case vectors(rows: Int, columns: Int, layout: VectorCodebook.Layout, isScaled: Bool)
  case blocks(rows: Int, columns: Int, format: Blocks.Format)
  case dense(rows: Int, columns: Int, format: Dense.Format)
  case integer(
    rows: Int, columns: Int, bits: Int, activations: IntegerProduct.Activations, float32Scales: Bool,
    threshold: Float?)
  case sparse(rows: Int, columns: Int, count: Int)
  case masked(rows: Int, columns: Int, count: Int, positions: MaskedPositions, values: MaskedValues)
  case permuted(StorageDescription)
  case scaled(StorageDescription)
  case rotated(StorageDescription, seed: UInt64)
  case blockRotated(StorageDescription, size: Int)
  case split([StorageDescription])
  case sum([StorageDescription])
  case product(StorageDescription, StorageDescription)
  case tensorTrain(TensorTrain.Shape, format: Dense.Format)

  /// The bits of an affine matrix's scales that are codes, and the groups that share a step and a minimum.
  struct QuantizedScales: Equatable {
    let bits: Int
    let groupSize: Int
  }

  /// How it is said which weights of a masked matrix are stored.
  enum MaskedPositions: Equatable {
    case bitmask
    case pattern(kept: Int, of: Int)
    case blocks(BlockShape)
    case gaps(count: Int)
    case seed(UInt64, perRow: Int)
  }

  /// How weights behind a mask are written.
  enum MaskedValues: Equatable {
    case float16
    case int8(groupSize: Int)
    case fourBits(groupSize: Int)
  }

  /// How affine zero points are stored.
  enum ZeroKind: String, CaseIterable {
    case none
    case codes
    case float16

    init(_ zeros: Affine.Zeros?) {
      switch zeros {
      case nil: self = .none
      case .codes: self = .codes
      case .float16: self = .float16
      }
    }
  }

  /// How a codebook's scales are stored.
  enum ScaleKind: String {
    case none
    case float32
    case float16
    case doubleQuantized = "double_quantized"
  }

  /// The version of the format that is written, and the only one that is read.
  static let version = 1

  /// The most storages inside one another that are read.
  private static let largestDepth = 6

  /// The description of a matrix. (A dense matrix of its own needs none: it lies in the file as a plain tensor.)
  init(_ matrix: StoredMatrix) {
    switch matrix {
    case .dense(let storage):
      self = .dense(rows: storage.rows, columns: storage.columns, format: storage.format)
    case .integer(let storage):
      let float32Scales = if case .float32 = storage.scales { true } else { false }
      self = .integer(
        rows: storage.rows, columns: storage.columns, bits: storage.bits, activations: storage.activations,
        float32Scales: float32Scales, threshold: storage.threshold)
    case .transformed(let storage):
      let inner = StorageDescription(storage.inner)
      switch storage.transform {
      case .permutation: self = .permuted(inner)
      case .scale: self = .scaled(inner)
      case .rotation(let rotation): self = .rotated(inner, seed: rotation.seed)
      case .blockRotation(let rotation): self = .blockRotated(inner, size: rotation.size)
      }
    case .split(let storage): self = .split(storage.parts.map(StorageDescription.init))
    case .sum(let storage): self = .sum(storage.terms.map(StorageDescription.init))
    case .product(let storage):
      self = .product(StorageDescription(storage.left), StorageDescription(storage.right))
    case .tensorTrain(let storage):
      self = .tensorTrain(storage.shape, format: storage.cores[0].format)
    case .sparse(let storage):
      self = .sparse(rows: storage.rows, columns: storage.columns, count: storage.values.count / 2)
    case .masked(let storage):
      let values: MaskedValues =
        switch storage.values {
        case .float16: .float16
        case .int8(_, let scales): .int8(groupSize: scales.groupSize)
        case .fourBits(_, _, let scales): .fourBits(groupSize: scales.groupSize)
        }
      self = .masked(
        rows: storage.rows, columns: storage.columns, count: storage.count,
        positions: MaskedPositions(storage.positions), values: values)
    case .affine(let storage):
      let quantizedScales: QuantizedScales? =
        switch storage.scales {
        case .float16: nil
        case .quantized(let scales): QuantizedScales(bits: scales.bits, groupSize: scales.groupSize)
        }
      self = .affine(
        rows: storage.rows, columns: storage.columns, bits: storage.bits, groupSize: storage.groupSize,
        zeros: ZeroKind(storage.zeros), quantizedScales: quantizedScales)
    case .codebook(let storage):
      let scales: ScaleKind =
        switch storage.scales {
        case nil: .none
        case .float32: .float32
        case .float16: .float16
        case .doubleQuantized: .doubleQuantized
        }
      self = .codebook(
        rows: storage.rows, columns: storage.columns, bits: storage.bits, groupSize: storage.groupSize,
        tablePerRow: storage.tablePerRow, scales: scales)
    case .vectors(let storage):
      self = .vectors(
        rows: storage.rows, columns: storage.columns, layout: storage.layout, isScaled: storage.scales != nil)
    case .blocks(let storage):
      self = .blocks(rows: storage.rows, columns: storage.columns, format: storage.format)
    }
  }

  /// The descriptions of all packed matrices by name; none where the checkpoint is not quantized.
  ///
  /// - Throws: `CheckpointError` if the checkpoint is quantized in another way, or a description is wrong.
  static func all(in configuration: Fields) throws(CheckpointError) -> [String: StorageDescription] {
    guard let quantization = try configuration.object("quantization_config") else { return [:] }
    let method = try quantization.text("quant_method") ?? "unknown"
    guard method == "pith" else {
      throw configuration.bad(
        "the weights are quantized by \(method.quoted), which Pith does not read; use the original model")
    }
    guard quantization.json["format_version"]?.int == version else {
      throw configuration.bad("'format_version' is not \(version); a newer Pith wrote this model")
    }
    guard let matrices = try quantization.object("matrices") else { return [:] }
    return Dictionary(try all(of: matrices)) { first, _ in first }
  }

  /// The descriptions that are an object's members, in their order.
  ///
  /// - Throws: `CheckpointError` if one is wrong.
  static func all(of matrices: Fields) throws(CheckpointError) -> [(String, StorageDescription)] {
    var descriptions: [(String, StorageDescription)] = []
    for member in matrices.json.object ?? .empty {
      guard member.value.kind == .object else {
        throw matrices.bad("matrix \(member.key.quoted) is no object")
      }
      descriptions.append(
        (member.key, try StorageDescription(Fields(json: member.value, path: matrices.path), depth: 0)))
    }
    return descriptions
  }

  /// The number of outputs; nil where parts disagree.
  var rows: Int? {
    switch self {
    case .affine(let rows, _, _, _, _, _), .codebook(let rows, _, _, _, _, _), .blocks(let rows, _, _),
      .dense(let rows, _, _), .integer(let rows, _, _, _, _, _), .vectors(let rows, _, _, _),
      .sparse(let rows, _, _), .masked(let rows, _, _, _, _):
      rows
    case .permuted(let inner), .scaled(let inner), .rotated(let inner, _), .blockRotated(let inner, _):
      inner.rows
    case .split(let parts), .sum(let parts):
      parts.allSatisfy { $0.rows == parts[0].rows } ? parts[0].rows : nil
    case .product(let left, let right): left.columns == right.rows ? left.rows : nil
    case .tensorTrain(let shape, _): shape.rows
    }
  }

  /// The number of inputs; nil where parts disagree.
  var columns: Int? {
    switch self {
    case .affine(_, let columns, _, _, _, _), .codebook(_, let columns, _, _, _, _),
      .blocks(_, let columns, _), .dense(_, let columns, _), .integer(_, let columns, _, _, _, _),
      .vectors(_, let columns, _, _), .sparse(_, let columns, _), .masked(_, let columns, _, _, _):
      columns
    case .permuted(let inner), .scaled(let inner), .rotated(let inner, _), .blockRotated(let inner, _):
      inner.columns
    case .split(let parts):
      parts.reduce(0) { sum, part in sum.flatMap { sum in part.columns.map { sum + $0 } } }
    case .sum(let terms): terms.allSatisfy { $0.columns == terms[0].columns } ? terms[0].columns : nil
    case .product(_, let right): right.columns
    case .tensorTrain(let shape, _): shape.columns
    }
  }

  private init(_ fields: Fields, depth: Int) throws(CheckpointError) {
    guard depth < Self.largestDepth else {
      throw fields.bad("storages lie more than \(Self.largestDepth) deep in one another")
    }
    func part(_ name: String) throws(CheckpointError) -> StorageDescription {
      guard let part = try fields.object(name) else { throw fields.bad("'\(name)' is missing") }
      return try StorageDescription(part, depth: depth + 1)
    }
    func inner() throws(CheckpointError) -> StorageDescription { try part("inner") }
    func list(_ name: String) throws(CheckpointError) -> [StorageDescription] {
      guard let array = fields.json[name]?.array, array.count > 0, array.count <= 16 else {
        throw fields.bad("'\(name)' must hold from 1 to 16 storages")
      }
      var list: [StorageDescription] = []
      for element in array {
        guard element.kind == .object else { throw fields.bad("'\(name)' must hold objects") }
        list.append(try StorageDescription(Fields(json: element, path: fields.path), depth: depth + 1))
      }
      return list
    }
    switch try fields.text("storage") {
    case "permuted": self = .permuted(try inner())
    case "scaled": self = .scaled(try inner())
    case "rotated":
      guard let seed = try fields.text("seed").flatMap({ UInt64($0) }) else {
        throw fields.bad("'seed' must be a whole number, as a string")
      }
      let matrix = try inner()
      guard let columns = matrix.columns, Rotation.oddFactor(of: columns) <= Rotation.largestOddFactor else {
        throw fields.bad("there is no rotation of this many inputs")
      }
      self = .rotated(matrix, seed: seed)
    case "block_rotated":
      let (size, matrix) = (try fields.size("size"), try inner())
      guard let columns = matrix.columns, columns % size == 0 else {
        throw fields.bad("'size' does not divide the inputs")
      }
      self = .blockRotated(matrix, size: size)
    case "split": self = .split(try list("parts"))
    case "sum": self = .sum(try list("terms"))
    case "product": self = .product(try part("left"), try part("right"))
    default: self = try Self.leaf(fields)
    }
    guard rows != nil, let columns, columns <= Fields.largest else {
      throw fields.bad("the parts of a matrix have different shapes")
    }
  }

  private static func leaf(_ fields: Fields) throws(CheckpointError) -> StorageDescription {
    let (rows, columns) = (try fields.size("rows"), try fields.size("columns"))
    switch try fields.text("storage") {
    case "dense": return .dense(rows: rows, columns: columns, format: try denseFormat(fields))
    case "tensor_train": return try tensorTrain(fields, rows: rows, columns: columns)
    case "affine": return try affine(fields, rows: rows, columns: columns)
    case "integer": return try integer(fields, rows: rows, columns: columns)
    case "sparse": return try sparse(fields, rows: rows, columns: columns)
    case "masked": return try masked(fields, rows: rows, columns: columns)
    case "codebook":
      let bits = try fields.size("bits")
      guard bits <= 8 else { throw fields.bad("'bits' of a codebook must be from 1 to 8") }
      guard let table = try fields.text("table"), ["matrix", "row"].contains(table) else {
        throw fields.bad("'table' must be matrix or row")
      }
      guard let scales = try fields.text("scales").flatMap(ScaleKind.init) else {
        throw fields.bad("'scales' must be none, float32, float16 or double_quantized")
      }
      return .codebook(
        rows: rows, columns: columns, bits: bits, groupSize: try fields.size("group_size"),
        tablePerRow: table == "row", scales: scales)
    case "vectors": return try vectors(fields, rows, columns)
    case "blocks":
      let name = try fields.text("format")
      guard let format = Blocks.Format.allCases.first(where: { $0.name == name }) else {
        throw fields.bad(
          "'format' must be one of \(Blocks.Format.allCases.map(\.name).joined(separator: ", "))")
      }
      return .blocks(rows: rows, columns: columns, format: format)
    case let other:
      throw fields.bad("storage \((other ?? "").quoted) is not one that Pith knows")
    }
  }

  private static func vectors(
    _ fields: Fields, _ rows: Int, _ columns: Int
  ) throws(CheckpointError) -> StorageDescription {
    func size(_ name: String, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
      let size = try fields.size(name)
      guard range.contains(size) else {
        throw fields.bad("'\(name)' of vectors must be from \(range.lowerBound) to \(range.upperBound)")
      }
      return size
    }
    let layout = VectorCodebook.Layout(
      dimension: try size("dimension", VectorCodebook.Layout.dimensions),
      codebooks: try size("codebooks", VectorCodebook.Layout.codebookCounts),
      bits: try size("bits", VectorCodebook.Layout.bitCounts), sets: try fields.size("sets"))
    guard layout.sets <= layout.runs(columns) else {
      throw fields.bad("'sets' is above the number of vectors in a row")
    }
    guard let scales = try fields.text("scales"), ["none", "row"].contains(scales) else {
      throw fields.bad("'scales' of vectors must be none or row")
    }
    return .vectors(rows: rows, columns: columns, layout: layout, isScaled: scales == "row")
  }

  /// The member of `matrices`.
  var json: JSONValue {
    switch self {
    case .affine(let rows, let columns, let bits, let groupSize, let zeros, let scales):
      [
        "storage": "affine", "rows": .int(rows), "columns": .int(columns), "bits": .int(bits),
        "group_size": .int(groupSize), "zeros": .string(zeros.rawValue),
        "scale_bits": scales.map { .int($0.bits) } ?? .null,
        "scale_group_size": scales.map { .int($0.groupSize) } ?? .null,
      ]
    case .sparse(let rows, let columns, let count):
      ["storage": "sparse", "rows": .int(rows), "columns": .int(columns), "count": .int(count)]
    case .masked(let rows, let columns, let count, let positions, let values):
      [
        "storage": "masked", "rows": .int(rows), "columns": .int(columns), "count": .int(count),
        "positions": positions.json, "values": .string(values.name),
        "group_size": values.groupSize.map { .int($0) } ?? .null,
      ]
    case .codebook(let rows, let columns, let bits, let groupSize, let tablePerRow, let scales):
      [
        "storage": "codebook", "rows": .int(rows), "columns": .int(columns), "bits": .int(bits),
        "group_size": .int(groupSize), "table": tablePerRow ? "row" : "matrix",
        "scales": .string(scales.rawValue),
      ]
    case .blocks(let rows, let columns, let format):
      ["storage": "blocks", "rows": .int(rows), "columns": .int(columns), "format": .string(format.name)]
    case .vectors(let rows, let columns, let layout, let isScaled):
      [
        "storage": "vectors", "rows": .int(rows), "columns": .int(columns), "bits": .int(layout.bits),
        "dimension": .int(layout.dimension), "codebooks": .int(layout.codebooks), "sets": .int(layout.sets),
        "scales": isScaled ? "row" : "none",
      ]
    case .integer(let rows, let columns, let bits, let activations, let float32Scales, let threshold):
      [
        "storage": "integer", "rows": .int(rows), "columns": .int(columns), "bits": .int(bits),
        "activations": .string(activations.rawValue), "scales": float32Scales ? "float32" : "float16",
        "threshold": threshold.map { .double(Double($0)) } ?? .null,
      ]
    case .dense(let rows, let columns, let format):
      ["storage": "dense", "rows": .int(rows), "columns": .int(columns), "format": .string(format.rawValue)]
    case .permuted(let inner): ["storage": "permuted", "inner": inner.json]
    case .scaled(let inner): ["storage": "scaled", "inner": inner.json]
    case .rotated(let inner, let seed):
      // As a string: JSON's numbers do not hold 64 bits everywhere.
      ["storage": "rotated", "seed": .string("\(seed)"), "inner": inner.json]
    case .blockRotated(let inner, let size):
      ["storage": "block_rotated", "size": .int(size), "inner": inner.json]
    case .split(let parts): ["storage": "split", "parts": .array(parts.map(\.json))]
    case .sum(let terms): ["storage": "sum", "terms": .array(terms.map(\.json))]
    case .product(let left, let right): ["storage": "product", "left": left.json, "right": right.json]
    case .tensorTrain(let shape, let format):
      [
        "storage": "tensor_train", "rows": .int(shape.rows), "columns": .int(shape.columns),
        "outputs": .array(shape.outputs.map { .int($0) }), "inputs": .array(shape.inputs.map { .int($0) }),
        "ranks": .array(shape.ranks.map { .int($0) }), "format": .string(format.rawValue),
      ]
    }
  }
}
