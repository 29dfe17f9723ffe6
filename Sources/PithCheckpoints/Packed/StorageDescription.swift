import PithJSON
import PithWeights

/// What a packed matrix's tensors mean: one member of `quantization_config.matrices` in `config.json`
/// (docs/format.md).
enum StorageDescription: Equatable {
  case affine(rows: Int, columns: Int, bits: Int, groupSize: Int, symmetric: Bool)
  case codebook(rows: Int, columns: Int, bits: Int, groupSize: Int, tablePerRow: Bool, scales: ScaleKind)
  case blocks(rows: Int, columns: Int, format: Blocks.Format)

  /// How a codebook's scales are stored.
  enum ScaleKind: String {
    case none
    case float32
    case float16
    case doubleQuantized = "double_quantized"
  }

  /// The version of the format that is written, and the only one that is read.
  static let version = 1

  /// The description of a matrix; nil for a dense one, which lies in the file as a plain tensor.
  init?(_ matrix: StoredMatrix) {
    switch matrix {
    case .dense: return nil
    case .affine(let storage):
      self = .affine(
        rows: storage.rows, columns: storage.columns, bits: storage.bits, groupSize: storage.groupSize,
        symmetric: storage.zeros == nil)
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
    var descriptions: [String: StorageDescription] = [:]
    for member in try quantization.object("matrices")?.json.object ?? .empty {
      guard member.value.kind == .object else {
        throw configuration.bad("matrix \(member.key.quoted) is no object")
      }
      descriptions[member.key] = try StorageDescription(Fields(json: member.value, path: configuration.path))
    }
    return descriptions
  }

  private init(_ fields: Fields) throws(CheckpointError) {
    let (rows, columns) = (try fields.size("rows"), try fields.size("columns"))
    switch try fields.text("storage") {
    case "affine":
      let bits = try fields.size("bits")
      guard (2...8).contains(bits) else { throw fields.bad("'bits' of affine codes must be from 2 to 8") }
      self = .affine(
        rows: rows, columns: columns, bits: bits, groupSize: try fields.size("group_size"),
        symmetric: try fields.flag("symmetric") ?? false)
    case "codebook":
      let bits = try fields.size("bits")
      guard bits <= 8 else { throw fields.bad("'bits' of a codebook must be from 1 to 8") }
      guard let table = try fields.text("table"), ["matrix", "row"].contains(table) else {
        throw fields.bad("'table' must be matrix or row")
      }
      guard let scales = try fields.text("scales").flatMap(ScaleKind.init) else {
        throw fields.bad("'scales' must be none, float32, float16 or double_quantized")
      }
      self = .codebook(
        rows: rows, columns: columns, bits: bits, groupSize: try fields.size("group_size"),
        tablePerRow: table == "row", scales: scales)
    case "blocks":
      let name = try fields.text("format")
      guard let format = Blocks.Format.allCases.first(where: { $0.name == name }) else {
        throw fields.bad(
          "'format' must be one of \(Blocks.Format.allCases.map(\.name).joined(separator: ", "))")
      }
      self = .blocks(rows: rows, columns: columns, format: format)
    case let other:
      throw fields.bad("storage \((other ?? "").quoted) is not one that Pith knows: affine, codebook, blocks")
    }
  }

  /// The member of `matrices`.
  var json: JSONValue {
    switch self {
    case .affine(let rows, let columns, let bits, let groupSize, let symmetric):
      [
        "storage": "affine", "rows": .int(rows), "columns": .int(columns), "bits": .int(bits),
        "group_size": .int(groupSize), "symmetric": .bool(symmetric),
      ]
    case .codebook(let rows, let columns, let bits, let groupSize, let tablePerRow, let scales):
      [
        "storage": "codebook", "rows": .int(rows), "columns": .int(columns), "bits": .int(bits),
        "group_size": .int(groupSize), "table": tablePerRow ? "row" : "matrix",
        "scales": .string(scales.rawValue),
      ]
    case .blocks(let rows, let columns, let format):
      ["storage": "blocks", "rows": .int(rows), "columns": .int(columns), "format": .string(format.name)]
    }
  }
}
