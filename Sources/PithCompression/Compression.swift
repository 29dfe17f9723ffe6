import PithCheckpoints
import PithModels
import PithQuantization
import PithTensors
import PithWeights

/// A whole model through one method, into a new checkpoint.
///
///     let method = QuantizationMethod.named("rtn")!
///     let compression = try Compression(method, method.defaults)
///     let summary = try compression.run(Checkpoint(path: "model.gguf"), to: "small", on: pool)
///
/// The method gets the matrices of the layers. Embeddings (and an output head of their own) get 8 bits unless told
/// otherwise; position tables, segment tables and classification heads, which are small, stay as they are.
public struct Compression: Sendable {
  /// Columns that share a scale in embeddings.
  private static let embeddingGroupSize = 64

  private let method: QuantizationMethod
  private let options: QuantizationOptions
  private let embeddingBits: Int?

  /// What a compression made.
  public struct Summary: Sendable, Equatable {
    /// Matrices that were compressed.
    public var matrices = 0
    /// Bytes of these matrices before.
    public var bytesBefore = 0
    /// Bytes of these matrices after.
    public var bytesAfter = 0
  }

  /// A compression that is checked before anything is read.
  ///
  /// - Parameters:
  ///   - method: what the matrices of the layers go through.
  ///   - options: its options.
  ///   - embeddingBits: bits of embeddings and output head, 2–8; nil to leave them as they are.
  /// - Throws: `QuantizationError` if an option does not suit its method.
  public init(
    _ method: QuantizationMethod, _ options: QuantizationOptions, embeddingBits: Int? = 8
  ) throws(QuantizationError) {
    try method.check(options)
    if let embeddingBits { try Self.embeddingMethod.check(Self.embeddingOptions(embeddingBits)) }
    self.method = method
    self.options = options
    self.embeddingBits = embeddingBits
  }

  /// Compresses a checkpoint matrix by matrix; the output folder appears when all is done.
  ///
  /// - Parameters:
  ///   - source: the model.
  ///   - output: where the folder will appear.
  ///   - overwrite: whether what is there may be replaced.
  ///   - pool: the threads that share the work.
  ///   - progress: called with how many matrices of how many are done.
  /// - Throws: `CheckpointError`, or `CompressionError` naming the matrix that a method could not take.
  public func run(
    _ source: Checkpoint, to output: String, overwrite: Bool = false, on pool: ThreadPool,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Summary {
    let contents =
      switch try source.model() {
      case .decoder(let decoder): ModelContents(decoder)
      case .encoder(let encoder): ModelContents(encoder)
      }
    var writer = try CheckpointWriter(output, names: contents.names, overwrite: overwrite)
    var summary = Summary()
    for (index, (name, map)) in contents.maps.enumerated() {
      if let compressed = try compress(map, name, pool) {
        summary.matrices += 1
        summary.bytesBefore += map.weight.byteCount
        summary.bytesAfter += compressed.byteCount
        try writer.append(name, compressed)
      } else {
        try writer.append(name, map.weight)
      }
      progress(index + 1, contents.maps.count)
    }
    for (name, values) in contents.vectors { try writer.append(name, values) }
    let configuration = try source.huggingFaceConfiguration()
    try writer.finish(configuration: configuration, files: try source.companionFiles()) { folder, files in
      try Checksums.write(files, in: folder)
    }
    return summary
  }

  /// The matrix in its new storage; nil for one that stays as it is.
  private func compress(_ map: Linear, _ name: String, _ pool: ThreadPool) throws -> StoredMatrix? {
    let (method, options): (QuantizationMethod, QuantizationOptions)
    switch map.place.role {
    case .embedding, .head:
      guard let embeddingBits else { return nil }
      (method, options) = (Self.embeddingMethod, Self.embeddingOptions(embeddingBits))
    case .positions, .segments, .pooler, .classifier: return nil
    case .query, .key, .value, .attentionOutput, .gate, .up, .down:
      (method, options) = (self.method, self.options)
    }
    do { return try method.quantize(map.weight.decoded(), options: options, on: pool).matrix } catch {
      throw CompressionError(matrix: name, error)
    }
  }

  private static let embeddingMethod = QuantizationMethod.named("rtn")!

  private static func embeddingOptions(_ bits: Int) -> QuantizationOptions {
    QuantizationOptions(bits: bits, groupSize: embeddingGroupSize)
  }
}

/// A matrix that a method could not take.
public struct CompressionError: Error, CustomStringConvertible {
  /// The matrix.
  public let matrix: String
  /// Why.
  public let reason: QuantizationError

  init(matrix: String, _ reason: QuantizationError) {
    self.matrix = matrix
    self.reason = reason
  }

  /// One sentence.
  public var description: String { "\(matrix): \(reason)" }
}
