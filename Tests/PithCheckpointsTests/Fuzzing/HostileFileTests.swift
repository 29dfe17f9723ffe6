import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTestSupport
import PithTokenizers
import PithWeights
import Testing

/// Files from outside are hostile: whatever is done to one, reading it ends in a value or in one sentence.
///
/// 100,000 mutations in all, most of them of what is quickest to read; PITH_FUZZ_MUTATIONS asks for more,
/// PITH_FUZZ_SEED for others. A crash ends the run: the batch is printed before it, and PITH_FUZZ_TRACE=1 prints the
/// number of every mutation.
@Suite(.serialized)
struct HostileFileTests {
  static let total = ProcessInfo.processInfo.environment["PITH_FUZZ_MUTATIONS"].flatMap(Int.init) ?? 100_000
  static let seed = ProcessInfo.processInfo.environment["PITH_FUZZ_SEED"].flatMap(UInt64.init) ?? 1

  static let isTraced = ProcessInfo.processInfo.environment["PITH_FUZZ_TRACE"] == "1"

  @Test func damagedSafetensorsEndInASentence() throws {
    let file = try read("models/llama-f16/model.safetensors")
    try fuzz(file, share: 0.45, named: "hostile") { bytes in
      let file = try SafetensorsFile(Bytes(copying: bytes), name: "hostile")
      for entry in file.entries { touchEnds(entry.bytes) }
    }
  }

  @Test(arguments: ["llama", "llama-q8_0", "gemma3"])
  func damagedGGUFEndsInASentence(_ name: String) throws {
    let file = try read("gguf/\(name).gguf")
    try fuzz(file, share: 0.13, named: "hostile") { bytes in
      let file = try GGUFFile(Bytes(copying: bytes), name: "hostile")
      for entry in file.entries { touchEnds(entry.bytes) }
      for key in file.metadata.keys { _ = file.metadata[key]?.array?.utf8 }
    }
  }

  @Test(arguments: ["config.json", "model.safetensors"])
  func damagedFoldersEndInASentence(_ damaged: String) throws {
    let folder = try packedFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/" + damaged
    let file = [UInt8](try Data(contentsOf: URL(filePath: path)))
    try fuzz(file, share: 0.02, named: folder) { bytes in
      try Data(bytes).write(to: URL(filePath: path))
      _ = try Checkpoint(path: folder).model()
    }
  }

  @Test func aDamagedIndexEndsInASentence() throws {
    let folder = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(atPath: Fixtures.path("models/llama-sharded"), toPath: folder)
    let path = folder + "/model.safetensors.index.json"
    let file = [UInt8](try Data(contentsOf: URL(filePath: path)))
    try fuzz(file, share: 0.08, named: folder) { bytes in
      try Data(bytes).write(to: URL(filePath: path))
      _ = try Checkpoint(path: folder)
    }
  }

  @Test(arguments: ["llama", "gemma3"])
  func aDamagedGGUFModelEndsInASentence(_ name: String) throws {
    let path = temporaryPath()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let file = try read("gguf/\(name).gguf")
    try fuzz(file, share: 0.005, named: path) { bytes in
      try Data(bytes).write(to: URL(filePath: path))
      let checkpoint = try Checkpoint(path: path)
      _ = try checkpoint.model()
      _ = try checkpoint.tokenizer().encode("Some text.")
    }
  }

  @Test(arguments: ["gpt2", "llama3", "llama2", "bert-uncased", "t5"])
  func aDamagedTokenizerEndsInASentence(_ name: String) throws {
    let file = try read("tokenizers/\(name).json")
    try fuzz(file, share: 0.006, named: nil) { bytes in
      let tokenizer = try Tokenizer(tokenizerJSON: JSON(parsing: bytes))
      let ids = tokenizer.encode("Some text, 12 \u{1F600} né\u{301}e.")
      _ = tokenizer.decode(ids)
    }
  }

  // MARK: - Fuzzing

  /// Runs `body` on damaged copies of a file: each must return, or throw one of Pith's errors with the file's name in
  /// it, within a second of the processor's time, and memory must not grow by much.
  private func fuzz(
    _ file: [UInt8], share: Double, named name: String?, _ body: ([UInt8]) throws -> Void
  ) throws {
    let count = Int(Double(Self.total) * share)
    var mutator = Mutator(seed: Self.seed &* 0x9E37_79B9 &+ UInt64(file.count))
    print("fuzzing: \(count) mutations of \(file.count) bytes, seed \(Self.seed)")
    let before = Self.peakMemory
    var slowest = Duration.zero
    for number in 0..<count {
      let bytes = mutator.mutate(file)
      if Self.isTraced { print("mutation \(number)") }
      let begun = Self.processorTime
      do { try body(bytes) } catch let error as CheckpointError {
        #expect(
          error.description.contains(name ?? "") && !error.path.isEmpty,
          "seed \(Self.seed), mutation \(number): \(error)")
      } catch let error as JSONError {
        #expect(
          name == nil && !error.description.isEmpty, "seed \(Self.seed), mutation \(number): \(error)")
      } catch let error as TokenizerError {
        #expect(!error.description.isEmpty, "seed \(Self.seed), mutation \(number)")
      } catch {
        Issue.record(error, "seed \(Self.seed), mutation \(number)")
      }
      slowest = max(slowest, Self.processorTime - begun)
    }
    #expect(slowest < .seconds(1), "the slowest took \(slowest)")
    #expect(Self.peakMemory - before < 200_000_000, "memory grew by \(Self.peakMemory - before) bytes")
  }

  /// Reads a tensor's first and last byte, which a range outside of the file would not survive.
  private func touchEnds(_ bytes: Bytes) {
    if bytes.count > 0 { _ = bytes.unsafePointer[0] ^ bytes.unsafePointer[bytes.count - 1] }
  }

  /// What this thread has used of it: other programs do not count.
  private static var processorTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  private static var peakMemory: Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }

  private func read(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path(path))))
  }

  private func temporaryPath() -> String {
    FileManager.default.temporaryDirectory.appending(path: "pith-fuzz-\(UUID().uuidString)").path
  }

  /// A folder with packed storages of several kinds.
  private func packedFolder() throws -> String {
    let folder = temporaryPath()
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/llama")).model() else {
      return folder
    }
    let contents = ModelContents(decoder)
    let staged = try StagedFolder(folder, filledAt: folder + ".partial", overwrite: false)
    let configuration = try Checkpoint(path: Fixtures.path("models/llama")).huggingFaceConfiguration()
    _ = try staged.writeCheckpoint(
      matrices: contents.maps.enumerated().map { ($1.name, packed($1.map.weight.decoded(), $0 % 6)) },
      vectors: contents.vectors, configuration: configuration, files: [])
    try staged.commit()
    return folder
  }

  private func packed(_ matrix: Matrix, _ kind: Int) -> StoredMatrix {
    let (rows, columns) = (matrix.rows, matrix.columns)
    let groups = (columns + 7) / 8
    let codes = Packing.pack((0..<rows * columns).map { UInt8($0 % 16) }, rows: rows, bits: 4)
    let scales = Bytes(copying: [UInt16](repeating: Half.encode(0.1), count: rows * groups))
    switch kind {
    case 0: return .dense(Dense(matrix))
    case 1:
      return .affine(
        Affine(
          rows: rows, columns: columns, bits: 4, groupSize: 8, codes: codes, scales: .float16(scales),
          zeros: nil))
    case 2:
      let layout = VectorCodebook.Layout(dimension: 2, codebooks: 2, bits: 4, sets: 3)
      let vectors = VectorCodebook(
        rows: rows, columns: columns, layout: layout,
        codes: Packing.pack(
          (0..<rows * layout.codesPerRow(columns)).map { UInt8($0 % 16) }, rows: rows, bits: 4),
        tables: Bytes(copying: [UInt16](repeating: Half.encode(0.1), count: 3 * 2 * 16 * 2)),
        scales: Bytes(copying: [UInt16](repeating: Half.encode(0.1), count: rows)))
      let rotation = Bytes(copying: [UInt16](repeating: Half.encode(1), count: 1))
      return .transformed(
        Transformed(.blockRotation(BlockRotation(size: 1, values: rotation)), .vectors(vectors)))
    case 3:
      let small = Affine.QuantizedScales(
        bits: 4, groupSize: 1, codes: codes[0..<(rows * ((groups + 1) / 2))], steps: scales, minima: scales)
      let base = Affine(
        rows: rows, columns: columns, bits: 4, groupSize: 8, codes: codes, scales: .quantized(small),
        zeros: nil)
      return .sum(MatrixSum([.affine(base), .sparse(Sparse(matrix))]))
    case 4:
      return .integer(
        IntegerProduct(
          rows: rows, columns: columns, bits: 4, codes: codes, scales: .float16(scales[0..<(2 * rows)]),
          activations: .int8, threshold: 6))
    default:
      return .codebook(
        Codebook(
          rows: rows, columns: columns, bits: 4, codes: codes,
          tables: Bytes(copying: (0..<16).map { Float($0) }),
          tablePerRow: false, groupSize: 8, scales: .float16(scales)))
    }
  }
}
