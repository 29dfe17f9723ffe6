import PithCheckpoints
import PithTensors
import Testing

struct SafetensorsFileTests {
  /// A file with a header and `size` bytes of data.
  private func file(_ header: String, size: Int, claiming length: UInt64? = nil) -> Bytes {
    var bytes: [UInt8] = []
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { bytes += $0 }
    return Bytes(copying: bytes + Array(header.utf8) + [UInt8](repeating: 7, count: size))
  }

  @Test func tensorsShareTheFile() throws {
    let header =
      #"{"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,1],"data_offsets":[3,7]},"#
      + #""a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"none":{"dtype":"F32","shape":[0,5],"data_offsets":[7,7]}}  "#
    let read = try SafetensorsFile(file(header, size: 7), name: "x")
    #expect(read.entries.map(\.name) == ["b", "a", "none"])
    #expect(read["b"]?.shape == [2, 1] && read["b"]?.bytes.count == 4 && read["none"]?.bytes.count == 0)
    #expect(read.metadata.map(\.value) == ["pt"])
  }

  /// Each header lies about 8 bytes of data in one way, which the sentence must name.
  @Test(arguments: [
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}}"#, "outside"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "outside"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,8]}}"#, "natural"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,1e400]}}"#, "natural"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "shape [3]"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, "shape"),
    (#"{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}"#, "natural"),
    (#"{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}"#, "no shape"),
    (#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,8]}}"#, "shape [3]"),
    (#"{"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}}"#, "'Q9'"),
    (#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, "no dtype"),
    (#"{"a":7}"#, "no dtype"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "take 4 bytes"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "hole"),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}"#,
      "overlaps"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      "twice"
    ),
    (
      "{\"é\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        + "\"e\u{301}\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
      "accents"
    ),
    (#"{"__metadata__":{"format":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "string"),
    (#"{"__metadata__":[],"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "not an object"),
    (#" {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "begin with '{'"),
    ("", "begin with '{'"),
    (#"{"a":"#, "JSON"),
    (String(repeating: #"{"a":"#, count: 200), "JSON"),
  ])
  func everyLieIsNamed(_ header: String, _ fault: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try SafetensorsFile(file(header, size: 8), name: "liar.safetensors")
    }
    let sentence = error?.description ?? ""
    #expect(sentence.hasPrefix("liar.safetensors: ") && sentence.contains(fault), "\(sentence)")
  }

  @Test(arguments: [9, 100_000_001, UInt64.max, UInt64(Int.max)])
  func aHeaderThatIsLongerThanTheFileIsNamed(_ length: UInt64) throws {
    let error = #expect(throws: CheckpointError.self) {
      try SafetensorsFile(file("{}", size: 0, claiming: length), name: "x")
    }
    #expect(error?.description.contains("\(length)") == true)
  }

  @Test(arguments: 0..<8)
  func aFileThatIsCutShortIsNamed(_ count: Int) throws {
    #expect(throws: CheckpointError.self) {
      try SafetensorsFile(Bytes(copying: [UInt8](repeating: 0, count: count)), name: "x")
    }
  }

  @Test func namesCannotCommandATerminal() throws {
    let header = #"{"\u001b[2J\u202e"# + String(repeating: "n", count: 1000) + #"":7}"#
    let error = #expect(throws: CheckpointError.self) {
      try SafetensorsFile(file(header, size: 0), name: "x")
    }
    let sentence = error?.description ?? "\u{1B}"
    #expect(!sentence.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{202E}" } && sentence.count < 300)
  }
}
