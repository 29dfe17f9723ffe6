import PithJSON
import PithQuantization
import PithWeights

/// Matrices that share an input, compressed.
struct CompressedGroup {
  /// The matrices by name, in their new storage.
  var matrices: [(name: String, matrix: StoredMatrix)] = []

  /// What the norm before them is multiplied by.
  var inputScale: [Float]?

  /// The inputs of the last matrix that stay, where structured pruning dropped the others.
  var inputs: [Int]?

  /// One report per matrix.
  var reports: [MatrixReport] = []
}

/// What became of one matrix.
public struct MatrixReport: Sendable, Equatable {
  /// The matrix.
  public var name: String
  /// The steps that it went through, in a few words.
  public var steps: String
  /// The storage, in a few words.
  public var storage: String
  /// Stored bytes.
  public var bytes: Int
  /// The number of weights.
  public var weights: Int
  /// The layer loss relative to that of a zero matrix; nil without calibration.
  public var loss: Double?
  /// Numerical trouble.
  public var notes: [String]
  /// How long the methods took.
  public var seconds: Double
}

extension CompressedGroup {
  /// What is kept beside the matrices.
  var remarks: JSONValue {
    [
      "input_scale": inputScale.map { .array($0.map { .double(Double($0)) }) } ?? .null,
      "inputs": inputs.map { .array($0.map { .int($0) }) } ?? .null,
      "reports": .array(reports.map(\.json)),
    ]
  }

  /// A group from what was kept.
  init(matrices: [(name: String, matrix: StoredMatrix)], remarks: JSON) {
    self.matrices = matrices
    inputScale = remarks["input_scale"]?.array.map { $0.map { Float($0.double ?? 1) } }
    inputs = remarks["inputs"]?.array.map { $0.compactMap(\.int) }
    reports = remarks["reports"]?.array.map { $0.map(MatrixReport.init) } ?? []
  }
}

extension MatrixReport {
  /// The report as report cards hold it.
  var json: JSONValue {
    [
      "name": .string(name), "steps": .string(steps), "storage": .string(storage), "bytes": .int(bytes),
      "weights": .int(weights), "bits_per_weight": .double(Double(bytes) * 8 / Double(max(weights, 1))),
      "relative_loss": loss.map(JSONValue.double) ?? .null, "notes": .array(notes.map { .string($0) }),
      "seconds": .double(seconds),
    ]
  }

  init(_ json: JSON) {
    name = json["name"]?.string ?? ""
    steps = json["steps"]?.string ?? ""
    storage = json["storage"]?.string ?? ""
    bytes = json["bytes"]?.int ?? 0
    weights = json["weights"]?.int ?? 0
    loss = json["relative_loss"]?.double
    notes = json["notes"]?.array.map { $0.map { $0.string ?? "" } } ?? []
    seconds = json["seconds"]?.double ?? 0
  }
}
