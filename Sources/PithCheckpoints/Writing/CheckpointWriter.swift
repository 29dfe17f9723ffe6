import PithJSON
import PithTensors
import PithWeights

extension StagedFolder {
  /// Writes a checkpoint in Hugging Face's layout into the folder.
  ///
  /// - Parameters:
  ///   - matrices: a dense one becomes a plain tensor, a packed one the tensors that it is made of.
  ///   - vectors: written in float32.
  ///   - configuration: the model's `config.json`; the descriptions of packed matrices are added to it.
  ///   - files: further files by name.
  /// - Returns: the names of all files.
  /// - Throws: `CheckpointError` if a file cannot be written.
  public func writeCheckpoint(
    matrices: [(name: String, matrix: StoredMatrix)], vectors: [(name: String, values: [Float])],
    configuration: JSONValue, files: [(name: String, bytes: [UInt8])]
  ) throws(CheckpointError) -> [String] {
    let tensors =
      matrices.flatMap { SafetensorsWriter.tensors(of: $0.matrix, named: $0.name) }
      + vectors.map { ($0.name, .float32, [$0.values.count], Bytes(copying: $0.values)) }
    try SafetensorsWriter.write(tensors, to: path(of: "model.safetensors"), shownAs: target)
    let packed = matrices.filter(\.matrix.isPacked)
    var configuration = configuration
    configuration["quantization_config"] =
      packed.isEmpty
      ? nil
      : [
        "quant_method": "pith", "format_version": .int(StorageDescription.version),
        "matrices": .object(packed.map { .init($0.name, StorageDescription($0.matrix).json) }),
      ]
    try write(configuration.serialized(.pretty), to: "config.json")
    for file in files { try write(file.bytes, to: file.name) }
    return ["model.safetensors", "config.json"] + files.map(\.name)
  }
}
