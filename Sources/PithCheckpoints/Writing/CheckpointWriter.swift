import PithJSON
import PithTensors
import PithWeights

/// Writes a checkpoint as a folder in Hugging Face's layout: matrix by matrix, then the configuration; the folder
/// appears when `finish` returns.
public struct CheckpointWriter {
  private let folder: StagedFolder
  private let weights: SafetensorsWriter
  private var descriptions: [JSONValue.Member] = []

  /// Begins a checkpoint.
  ///
  /// - Parameters:
  ///   - target: where the folder will appear.
  ///   - names: the names of all matrices and vectors that will be written.
  ///   - overwrite: whether what is there may be replaced, at the very end.
  /// - Throws: `CheckpointError` if the target exists and may not be overwritten, or cannot be made.
  public init(_ target: String, names: [String], overwrite: Bool) throws(CheckpointError) {
    folder = try StagedFolder(target, overwrite: overwrite)
    weights = try SafetensorsWriter(
      folder.path(of: "model.safetensors"), shownAs: folder.target, names: names)
  }

  /// Appends a matrix: a dense one as a plain tensor, a packed one as the tensors that it is made of.
  ///
  /// - Throws: `CheckpointError` if it cannot be written.
  public mutating func append(_ name: String, _ matrix: StoredMatrix) throws(CheckpointError) {
    let description = matrix.isPacked ? StorageDescription(matrix) : nil
    for tensor in matrix.tensors {
      let tensorName = description == nil ? name : "\(name).\(tensor.role)"
      try tensor.bytes.withUnsafeBytes { bytes throws(CheckpointError) in
        try weights.append(tensorName, type: tensor.type, shape: tensor.shape, bytes)
      }
    }
    if let description { descriptions.append(.init(name, description.json)) }
  }

  /// Appends a vector in float32.
  ///
  /// - Throws: `CheckpointError` if it cannot be written.
  public mutating func append(_ name: String, _ vector: [Float]) throws(CheckpointError) {
    try Bytes(copying: vector).withUnsafeBytes { bytes throws(CheckpointError) in
      try weights.append(name, type: .float32, shape: [vector.count], bytes)
    }
  }

  /// Writes the configuration and further files, lets `seal` add to them, and puts the folder in its place.
  ///
  /// - Parameters:
  ///   - configuration: the model's `config.json`; the descriptions of packed matrices are added to it.
  ///   - files: further files by name.
  ///   - seal: called with the folder when all files are in it.
  /// - Throws: `CheckpointError` if a file cannot be written, and what `seal` throws.
  public func finish(
    configuration: JSONValue, files: [(name: String, bytes: [UInt8])],
    seal: (StagedFolder, _ files: [String]) throws -> Void
  ) throws {
    try weights.close()
    var configuration = configuration
    configuration["quantization_config"] =
      descriptions.isEmpty
      ? nil
      : [
        "quant_method": "pith", "format_version": .int(StorageDescription.version),
        "matrices": .object(descriptions),
      ]
    try folder.write(configuration.serialized(.pretty), to: "config.json")
    for file in files { try folder.write(file.bytes, to: file.name) }
    try seal(folder, ["model.safetensors", "config.json"] + files.map(\.name))
    try folder.commit()
  }
}
