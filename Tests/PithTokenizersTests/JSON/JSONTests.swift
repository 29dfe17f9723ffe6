import PithJSON
import Testing

@Suite struct JSONTests {
  @Test func namesAreToldApartByTheirBytes() throws {
    let json = try JSON(parsing: #"{"\u00e9": 1, "e\u0301": 2, "a": 3}"#)
    #expect(json["\u{e9}"]?.int == 1)
    #expect(json["e\u{301}"]?.int == 2)
    #expect(json.object?.map(\.name.utf8) == [[0xC3, 0xA9], [0x65, 0xCC, 0x81], [0x61]])
  }

  @Test func scalarsAreReadAsWritten() throws {
    let json = try JSON(
      parsing: #" [null, true, false, "a\n\"\\\/\ud83d\ude00é", -12, 0.5, 1e3, 9223372036854775808, 1e999] "#)
    #expect(json.count == 9)
    #expect(json[0]?.isNull == true)
    #expect(json[1]?.bool == true && json[2]?.bool == false)
    #expect(json[3]?.string == "a\n\"\\/😀é")
    #expect(json[4]?.int == -12 && json[4]?.double == -12)
    #expect(json[5]?.double == 0.5 && json[5]?.int == nil)
    #expect(json[6]?.int == 1000)
    #expect(json[7]?.int == nil && json[7]?.double == 9.223372036854775808e18)
    #expect(json[8]?.double == nil)
    #expect(json[9] == nil && json[-1] == nil && json["a"] == nil)
  }

  @Test func integersReachTheEndsOfTheirRange() throws {
    let json = try JSON(parsing: "[\(Int.min), \(Int.max), -0]")
    #expect(json.array?.map(\.int) == [.min, .max, 0])
  }

  @Test func doublesRoundCorrectly() throws {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<20_000 {
      let value = Double(bitPattern: generator.next())
      guard value.isFinite else { continue }
      #expect(try JSON(parsing: value.description).double?.bitPattern == value.bitPattern)
      let short = Double(Int(truncatingIfNeeded: generator.next()) % 1_000_000) / 1000
      #expect(try JSON(parsing: short.description).double == short)
    }
  }

  @Test(arguments: [
    "", "  ", "{", "[", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "[1 2]", "01", "-", "1.", "1e", "+1",
    ".5",
    "nul", "truth", "NaN", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
    "\"a\nb\"", "1 2", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "[1]]", "\u{FEFF}1",
  ])
  func malformedDocumentsAreRefused(text: String) {
    #expect(throws: JSONError.self) { try JSON(parsing: text) }
  }

  @Test(
    arguments: [
      [0x22, 0x80, 0x22], [0x22, 0xC0, 0xAF, 0x22], [0x22, 0xE0, 0x80, 0x80, 0x22],
      [0x22, 0xED, 0xA0, 0x80, 0x22],
      [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xF0, 0x9F, 0x98, 0x22], [0x22, 0xE2, 0x82],
    ] as [[UInt8]])
  func bytesThatAreNotUTF8AreRefused(bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSON(parsing: bytes) }
  }

  @Test func duplicatesAreFoundInLargeObjects() throws {
    var members = (0..<1000).map { "\"k\($0)\":[\($0)]" }
    let json = try JSON(parsing: "{" + members.joined(separator: ",") + "}")
    #expect(json["k999"]?[0]?.int == 999)
    members.append("\"\\u006b500\":0")
    let error = #expect(throws: JSONError.self) {
      try JSON(parsing: "{" + members.joined(separator: ",") + "}")
    }
    #expect(error?.message == "This name occurs twice in one object.")
  }

  @Test func depthIsLimited() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(try JSON(parsing: nested(128)).count == 1)
    #expect(throws: JSONError.self) { try JSON(parsing: nested(129)) }
    #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "[", count: 1_000_000)) }
  }

  @Test func noTruncationOrFlippedByteCrashes() throws {
    let text = Array(#"{"a":[1,-2.5e3,"x\u00e9é",{"b":null}],"c":true,"d":{"e":"😀"}}"#.utf8)
    for length in 0..<text.count {
      #expect(throws: JSONError.self) { try JSON(parsing: Array(text[..<length])) }
    }
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<20_000 {
      var mutated = text
      let place = Int.random(in: 0..<text.count, using: &generator)
      mutated[place] = UInt8.random(in: 0...255, using: &generator)
      if let json = try? JSON(parsing: mutated) { _ = JSONValue(json).serialized() }
    }
  }

  @Test func writingKeepsOrderAndReadsBack() throws {
    var value: JSONValue = [
      "z": 1, "a": [true, nil, "q\"\\\u{1}\n"], "pi": 3.141592653589793, "e": [:], "f": [], "tiny": 2.5e-300,
    ]
    value["a\u{301}"] = "x"
    value["z"] = 2
    value["e"] = nil
    let compact = value.text()
    #expect(
      compact
        == "{\"z\":2,\"a\":[true,null,\"q\\\"\\\\\\u0001\\n\"],\"pi\":3.141592653589793,\"f\":[],"
        + "\"tiny\":2.5e-300,\"a\u{301}\":\"x\"}")
    let pretty = value.serialized(.pretty)
    #expect(JSONValue(try JSON(parsing: pretty)).text() == compact)
    #expect(String(decoding: pretty, as: UTF8.self).hasPrefix("{\n  \"z\": 2,\n  \"a\": [\n    true,\n"))
    #expect(JSONValue(try JSON(parsing: "1.0")).text() == "1.0")
    #expect(JSONValue.double(.nan).text() == "null")
  }
}
