import Foundation
import PithCheckpoints
import PithTestSupport
import Testing

struct CheckpointFolderTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)")
    .path

  private func copy(_ model: String) throws {
    try FileManager.default.copyItem(atPath: Fixtures.path("models/" + model), toPath: folder)
  }

  private func write(_ text: String, to file: String) throws {
    try Data(text.utf8).write(to: URL(filePath: folder + "/" + file))
  }

  private func remove() { try? FileManager.default.removeItem(atPath: folder) }

  @Test(arguments: [
    "../secret.safetensors", "/etc/passwd", "", ".", "..", "a/b.safetensors", #"..\\x"#, #"a\u0000b"#, "c:x",
  ])
  func anIndexCannotLeaveItsFolder(_ file: String) throws {
    try copy("llama-sharded")
    defer { remove() }
    try write(#"{"weight_map": {"model.norm.weight": "\#(file)"}}"#, to: "model.safetensors.index.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
    #expect(error?.description.contains("not assigned to a file of the folder") == true, "\(error as Any)")
  }

  @Test func aMissingShardIsNamed() throws {
    try copy("llama-sharded")
    defer { remove() }
    try FileManager.default.removeItem(atPath: folder + "/model-00002-of-00003.safetensors")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
    guard case .missing(let path, _) = error else { throw error ?? .missing(path: "no error") }
    #expect(path == folder + "/model-00002-of-00003.safetensors")
  }

  @Test func aTensorThatIsNotWhereTheIndexSaysIsNamed() throws {
    try copy("llama-sharded")
    defer { remove() }
    try write(
      #"{"weight_map": {"nowhere": "model-00001-of-00003.safetensors"}}"#, to: "model.safetensors.index.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
    #expect(error?.description.contains("'nowhere'") == true)
  }

  @Test func aMissingConfigurationIsNamed() throws {
    try copy("llama")
    defer { remove() }
    try FileManager.default.removeItem(atPath: folder + "/config.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
    #expect(error?.path == folder + "/config.json")
  }

  @Test(arguments: [
    #"{"9": [0]}"#, #"{"-1": [0]}"#, #"{"0": [99]}"#, #"{"0": [0, 0]}"#, #"{"0": [0, 1, 2, 3, 4, 5]}"#,
    #"{"0": ["a"]}"#,
    #"{"0": 1}"#, "[0]",
  ])
  func headsThatCannotHaveGoneAreNamed(_ heads: String) throws {
    try copy("bert")
    defer { remove() }
    let text = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
    try write("{\"pruned_heads\": \(heads)," + text.drop { $0 != "{" }.dropFirst(), to: "config.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder).model() }
    #expect(error?.description.contains("'pruned_heads'") == true, "\(error as Any)")
  }

  @Test func aLayerWithFewerHeadsThanItsMatricesSayIsNamed() throws {
    try copy("bert")
    defer { remove() }
    let text = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
    try write("{\"pruned_heads\": {\"0\": [1]}," + text.drop { $0 != "{" }.dropFirst(), to: "config.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder).model() }
    #expect(error?.description.contains("query") == true, "\(error as Any)")
  }

  @Test func anErrorNamesTheShardThatHoldsTheTensor() throws {
    let path = Fixtures.path("models/llama-sharded")
    let checkpoint = try Checkpoint(path: path)
    let error = #expect(throws: CheckpointError.self) { try checkpoint.vector("model.norm.weight", count: 1) }
    #expect(error?.path.hasPrefix(path + "/model-0000") == true, "\(error as Any)")
  }

  @Test func theSingleFileCountsAndNotTheIndex() throws {
    try copy("llama")
    defer { remove() }
    try write(#"{"weight_map": {"a": "gone.safetensors"}}"#, to: "model.safetensors.index.json")
    #expect(try Checkpoint(path: folder).contains("model.norm.weight"))
  }

  @Test func aPipeInAFilesPlaceIsRefusedAtOnce() throws {
    try copy("llama")
    defer { remove() }
    let path = folder + "/model.safetensors"
    try FileManager.default.removeItem(atPath: path)
    try #require(mkfifo(path, 0o600) == 0)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
    #expect(error?.path == path)
  }

  /// Each description lies about a packed matrix.
  @Test(arguments: [
    (#"{"storage":"affine","rows":61,"columns":28,"bits":9,"group_size":8}"#, "bits"),
    (#"{"storage":"affine","rows":61,"columns":28,"bits":4,"group_size":0}"#, "group_size"),
    (#"{"storage":"affine","rows":61,"columns":9223372036854775807,"bits":4,"group_size":8}"#, "columns"),
    (
      #"{"storage":"codebook","rows":61,"columns":28,"bits":0,"group_size":8,"table":"row","scales":"none"}"#,
      "bits"
    ),
    (
      #"{"storage":"codebook","rows":61,"columns":28,"bits":4,"group_size":8,"table":"x","scales":"none"}"#,
      "table"
    ),
    (
      #"{"storage":"codebook","rows":61,"columns":28,"bits":4,"group_size":8,"table":"row","scales":"x"}"#,
      "scales"
    ),
    (#"{"storage":"vectors","rows":9,"columns":9,"bits":13,"dimension":4,"codebooks":1}"#, "bits"),
    (#"{"storage":"vectors","rows":9,"columns":9,"bits":8,"dimension":1025,"codebooks":1}"#, "dimension"),
    (#"{"storage":"vectors","rows":9,"columns":9,"bits":8,"dimension":4,"codebooks":17}"#, "codebooks"),
    (#"{"storage":"vectors","rows":9,"columns":9,"bits":8,"dimension":4,"codebooks":1,"sets":4}"#, "sets"),
    (
      #"{"storage":"vectors","rows":9,"columns":9,"bits":8,"dimension":4,"codebooks":1,"sets":3,"scales":"x"}"#,
      "scales"
    ),
    (
      #"{"storage":"block_rotated","size":4,"inner":{"storage":"affine","rows":61,"columns":30,"bits":4,"group_size":8}}"#,
      "size"
    ),
    (#"{"storage":"blocks","rows":61,"columns":256,"format":"Q9"}"#, "format"),
    (#"{"storage":"origami","rows":61,"columns":28}"#, "origami"),
    (#"[]"#, "no object"),
  ])
  func everyLieOfADescriptionIsNamed(_ description: String, _ fault: String) throws {
    try copy("llama")
    defer { remove() }
    try write(
      #"{"quantization_config": {"quant_method": "pith", "format_version": 1, "matrices": {"m": \#(description)}}}"#,
      to: "config.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
    #expect(
      error?.path == folder + "/config.json" && error?.description.contains(fault) == true, "\(error as Any)")
  }

  @Test(arguments: [
    (#"{"quant_method": "gptq"}"#, "gptq"),
    (#"{"quant_method": "pith", "format_version": 2}"#, "format_version"),
  ])
  func otherQuantizationsAreNamed(_ quantization: String, _ fault: String) throws {
    try copy("llama")
    defer { remove() }
    try write(#"{"quantization_config": \#(quantization)}"#, to: "config.json")
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
    #expect(error?.description.contains(fault) == true)
  }

  @Test(arguments: [
    (#"{"storage":"affine","rows":61,"columns":28,"bits":4,"group_size":8}"#, "'codes' is missing"),
    (#"{"storage":"blocks","rows":61,"columns":28,"format":"Q4_0"}"#, "do not divide"),
  ])
  func aPackedMatrixWithoutItsTensorsIsNamed(_ description: String, _ fault: String) throws {
    try copy("llama")
    defer { remove() }
    try write(
      #"{"quantization_config": {"quant_method": "pith", "format_version": 1, "matrices": {"m": \#(description)}}}"#,
      to: "config.json")
    let checkpoint = try Checkpoint(path: folder)
    let error = #expect(throws: CheckpointError.self) { try checkpoint.matrix("m", rows: 61, columns: 28) }
    #expect(
      error?.description.contains(fault) == true && error?.description.contains("'m'") == true,
      "\(error as Any)")
  }
}
