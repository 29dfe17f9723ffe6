import Foundation
import PithCheckpoints
import PithTensors
import Testing

/// Puts a GGUF file together byte by byte, so that it can lie.
struct GGUFBytes {
  var bytes: [UInt8] = []

  init(version: UInt32 = 3, tensors: UInt64 = 0, keys: UInt64 = 0) {
    bytes += Array("GGUF".utf8)
    add(version)
    add(tensors)
    add(keys)
  }

  mutating func add<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  mutating func add(_ text: String) {
    add(UInt64(text.utf8.count))
    bytes += Array(text.utf8)
  }

  mutating func key(_ name: String, _ value: UInt32) {
    add(name)
    add(UInt32(4))
    add(value)
  }

  mutating func tensor(_ name: String, _ shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0) {
    add(name)
    add(UInt32(shape.count))
    for extent in shape { add(extent) }
    add(type)
    add(offset)
  }

  mutating func data(_ count: Int, alignment: Int = 32) {
    bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    bytes += [UInt8](repeating: 1, count: count)
  }

  func file() throws -> GGUFFile { try GGUFFile(Bytes(copying: bytes), name: "liar.gguf") }
}

struct GGUFFileTests {
  @Test(arguments: [2, 3] as [UInt32])
  func keysAndTensorsAreRead(_ version: UInt32) throws {
    var source = GGUFBytes(version: version, tensors: 2, keys: 3)
    source.key("general.alignment", 64)
    source.add("words")
    source.add(UInt32(9))
    source.add(UInt32(8))
    source.add(UInt64(2))
    source.add("né")
    source.add("")
    source.add("nested")
    source.add(UInt32(9))
    source.add(UInt32(9))
    source.add(UInt64(1))
    source.add(UInt32(0))
    source.add(UInt64(2))
    source.bytes += [1, 2]
    source.tensor("plain", [3, 2])
    source.tensor("blocks", [64, 1], type: 8, offset: 64)
    source.data(64 + 68, alignment: 64)
    let file = try source.file()
    #expect(file.metadata.keys == ["general.alignment", "words", "nested"])
    #expect(file.metadata["words"]?.array?.strings == ["né", ""])
    #expect(file.metadata["nested"]?.array?.count == 1)
    #expect(file["plain"]?.shape == [2, 3] && file["plain"]?.bytes.count == 24)
    #expect(file["blocks"]?.shape == [1, 64] && file["blocks"]?.bytes.count == 68)
  }

  private static let lies: [(fault: String, file: GGUFBytes)] = {
    func made(_ source: GGUFBytes, _ body: (inout GGUFBytes) -> Void) -> GGUFBytes {
      var source = source
      body(&source)
      return source
    }
    func tensor(
      _ shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0, data: Int = 64
    ) -> GGUFBytes {
      made(GGUFBytes(tensors: 1)) {
        $0.tensor("t", shape, type: type, offset: offset)
        $0.data(data)
      }
    }
    func key(_ type: UInt32, _ body: (inout GGUFBytes) -> Void) -> GGUFBytes {
      made(GGUFBytes(keys: 1)) {
        $0.add("k")
        $0.add(type)
        body(&$0)
      }
    }
    return [
      ("big-endian", GGUFBytes(version: UInt32(3).byteSwapped)),
      ("version 1", GGUFBytes(version: 1)),
      ("version 4", GGUFBytes(version: 4)),
      ("keys", GGUFBytes(keys: .max)),
      ("tensors", GGUFBytes(tensors: .max)),
      ("begin with 'GGUF'", made(GGUFBytes()) { $0.bytes[0] = 0 }),
      ("type 13", key(13) { $0.add(UInt64(0)) }),
      ("truth value of 2", key(7) { $0.bytes += [2, 0, 0, 0] }),
      ("18446744073709551615", key(8) { $0.add(UInt64.max) }),
      (
        "elements",
        key(9) {
          $0.add(UInt32(6)); $0.add(UInt64(1) << 62)
        }
      ),
      (
        "elements",
        key(9) {
          $0.add(UInt32(8)); $0.add(UInt64(3)); $0.add("a")
        }
      ),
      ("deeper", key(9) { for _ in 0..<10 { $0.add(UInt32(9)); $0.add(UInt64(1)) } }),
      (
        "occurs twice",
        made(GGUFBytes(keys: 2)) {
          $0.key("k", 1); $0.key("k", 2)
        }
      ),
      (
        "UTF-8",
        made(GGUFBytes(keys: 1)) {
          $0.add(UInt64(1)); $0.bytes += [0xFF, 0, 0, 0, 0, 0]
        }
      ),
      ("power of two", made(GGUFBytes(keys: 1)) { $0.key("general.alignment", 0) }),
      ("power of two", made(GGUFBytes(keys: 1)) { $0.key("general.alignment", 48) }),
      ("5 dimensions", tensor([1, 1, 1, 1, 1])),
      ("dimension of", tensor([.max])),
      ("shape", tensor([1 << 40, 1 << 40])),
      ("unknown type 5", tensor([8], type: 5)),
      ("Q4_0", tensor([33], type: 2)),
      ("multiple of 32", tensor([8], offset: 8)),
      ("takes 32 bytes at 64", tensor([8], offset: 64)),
      ("takes 32 bytes at", tensor([8], offset: .max / 32 * 32)),
      ("takes 80 bytes", tensor([20])),
      (
        "occurs twice",
        made(GGUFBytes(tensors: 2)) {
          $0.tensor("t", [8])
          $0.tensor("t", [8], offset: 32)
          $0.data(64)
        }
      ),
      (
        "overlaps",
        made(GGUFBytes(tensors: 2)) {
          $0.tensor("t", [16])
          $0.tensor("u", [8], offset: 32)
          $0.data(64)
        }
      ),
    ]
  }()

  @Test(arguments: lies.indices)
  func everyLieIsNamed(_ index: Int) throws {
    let (fault, source) = Self.lies[index]
    let error = #expect(throws: CheckpointError.self) { try source.file() }
    let sentence = error?.description ?? ""
    #expect(sentence.hasPrefix("liar.gguf: ") && sentence.contains(fault), "\(fault): \(sentence)")
  }

  @Test func largeVocabulariesAreReadFast() throws {
    let count = 262_144
    var source = GGUFBytes(keys: 1)
    source.add("tokenizer.ggml.tokens")
    source.add(UInt32(9))
    source.add(UInt32(8))
    source.add(UInt64(count))
    for index in 0..<count { source.add("token\(index)") }
    let bytes = Bytes(copying: source.bytes)
    let clock = ContinuousClock()
    let start = clock.now
    let file = try GGUFFile(bytes, name: "x")
    let time = clock.now - start
    #expect(file.metadata["tokenizer.ggml.tokens"]?.array?.count == count)
    #expect(time < .seconds(5), "\(time)")
  }

  @Test func splitModelsAreJoined() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func write(_ number: Int, as name: String, tensor: String) throws {
      var source = GGUFBytes(tensors: 1, keys: 2)
      source.key("split.no", UInt32(number))
      source.key("split.count", 2)
      source.tensor(tensor, [8])
      source.data(32)
      try Data(source.bytes).write(to: URL(filePath: "\(folder)/\(name)"))
    }
    let first = folder + "/m-00001-of-00002.gguf"
    let second = folder + "/m-00002-of-00002.gguf"
    try write(0, as: "m-00001-of-00002.gguf", tensor: "a")
    #expect(throws: CheckpointError.missing(path: second)) { try GGUFFile(path: first) }
    try write(1, as: "m-00002-of-00002.gguf", tensor: "b")
    #expect(try GGUFFile(path: first).entries.map(\.name) == ["a", "b"])
    let later = #expect(throws: CheckpointError.self) { try GGUFFile(path: second) }
    #expect(later?.description.contains("-00001-of-00002.gguf") == true)
    try write(1, as: "m-00002-of-00002.gguf", tensor: "a")
    #expect(throws: CheckpointError.self) { try GGUFFile(path: first) }
    try write(0, as: "m.gguf", tensor: "a")
    #expect(throws: CheckpointError.self) { try GGUFFile(path: folder + "/m.gguf") }
  }
}
