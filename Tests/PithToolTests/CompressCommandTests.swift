import Foundation
import PithJSON
import PithTestSupport
import Testing

@Suite struct CompressCommandTests {
  private let text = (0..<400).map { "The \($0)th fox jumps over \($0 % 7) lazy dogs and \($0 % 13) logs. " }
    .joined()

  private func arguments(_ output: String, _ calibration: String, _ more: String...) -> [String] {
    [
      "compress", tinyModel, "-o", output, "--calibration", calibration, "--calibration-window", "32",
      "--calibration-tokens", "640", "--skip-measuring",
    ] + more
  }

  private func files(_ path: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for file in try FileManager.default.contentsOfDirectory(atPath: path) where file != "pith.json" {
      files[file] = FileManager.default.contents(atPath: path + "/" + file)
    }
    return files
  }

  /// Killed at whatever moment, resumed, and the same bytes.
  @Test func aRunThatWasKilledResumesToTheSameBytes() throws {
    let folder = try TemporaryFolder()
    let calibration = try folder.write("text.txt", text)
    let whole = try CommandRun(arguments(folder.path + "/whole", calibration, "--method", "obq"))
    #expect(whole.code == 0, "\(whole.talk)")
    for milliseconds in [30, 60, 100, 160, 250] {
      let path = folder.path + "/part\(milliseconds)"
      let process = Process()
      process.executableURL = Bundle.main.executableURL!.deletingLastPathComponent().appending(path: "pith")
      process.arguments = arguments(path, calibration, "--method", "obq")
      process.standardError = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      usleep(UInt32(milliseconds) * 1000)
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      let isFinished = FileManager.default.fileExists(atPath: path)
      let resumed = try CommandRun(arguments(path, calibration, "--method", "obq", "--resume"))
      #expect(resumed.code == (isFinished ? 73 : 0), "\(resumed.talk)")
      #expect(try files(path) == files(folder.path + "/whole"), "killed after \(milliseconds) ms")
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func badCalibrationEndsInOneSentence() throws {
    let folder = try TemporaryFolder()
    let (short, empty) = (try folder.write("short.txt", "Hi"), try folder.write("empty.txt", ""))
    let lines = try folder.write("lines.jsonl", "{\"text\": \"a\"}\n{\"words\": 1}")
    let binary = folder.path + "/binary.txt"
    try Data([0xFF, 0xFE, 0x00, 0xD8]).write(to: URL(filePath: binary))
    for (path, word) in [(short, "short.txt"), (empty, "empty.txt"), (lines, "line 2"), (binary, "UTF-8")] {
      let run = try CommandRun(
        "compress", tinyModel, "-o", folder.path + "/out", "--method", "gptq", "--calibration", path)
      #expect(run.code == 65 && run.talk.contains(word), "\(run.talk)")
      #expect(run.talk.split(separator: "\n").count == 1)
    }
    let missing = try CommandRun("compress", tinyModel, "-o", folder.path + "/out", "--method", "gptq")
    #expect(missing.code == 64 && missing.talk.contains("--calibration"))
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.hasPrefix(".") })
  }

  @Test(arguments: [
    ["magnitude"], ["magnitude", "--scope", "model", "--sparsity", "0.6"], ["wanda", "--sparsity", "2:4"],
    ["obd"], ["sparsegpt", "--bits", "8", "--group-size", "16"],
    ["sparsegpt", "--bits", "4", "--grid", "nf4", "--group-size", "0", "--sparsity", "6:8"],
  ])
  func prunedModelsRun(method: [String]) throws {
    let folder = try TemporaryFolder()
    let calibration = try folder.write("text.txt", text)
    let output = folder.path + "/pruned"
    let run = try CommandRun(arguments(output, calibration, "--method") + method)
    #expect(run.code == 0, "\(run.talk)")
    let written = try CommandRun("generate", output, "The", "--max-tokens", "4")
    #expect(written.code == 0, "\(written.talk)")
    #expect(try CommandRun("inspect", output).output.contains("stored"))
  }

  @Test(arguments: [
    ["--sparsity", "1"], ["--sparsity", "-0.5"], ["--sparsity", "4:4"], ["--sparsity", "two"],
    ["--sparsity", "0.01"], ["--scope", "layer"], ["--bits", "3"], ["--dynamic"],
  ])
  func badSparsitiesEndInOneSentence(flags: [String]) throws {
    let folder = try TemporaryFolder()
    let output = folder.path + "/pruned"
    let run = try CommandRun(
      ["compress", tinyModel, "-o", output, "--method", "magnitude", "--skip-measuring"] + flags)
    #expect(run.code != 0 && run.talk.split(separator: "\n").count == 1, "\(run.talk)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty, "something was left behind")
  }

  @Test func badRecipesEndInOneSentence() throws {
    let folder = try TemporaryFolder()
    for (yaml, word) in [
      ("steps: [{method: rtn, speed: 3}]", "speed"), ("steps: [{method: tea}]", "tea"),
      ("steps: [{method: rtn, layers: {names: [nothing]}}]", "nothing"),
    ] {
      let recipe = try folder.write("recipe.yaml", yaml)
      let run = try CommandRun("compress", tinyModel, "-o", folder.path + "/out", "--recipe", recipe)
      #expect(run.code == 64 && run.talk.contains(word), "\(run.talk)")
      #expect(run.talk.split(separator: "\n").count == 1)
    }
  }

  @Test func anExplanationWritesNothing() throws {
    let folder = try TemporaryFolder()
    let run = try CommandRun(
      "compress", tinyModel, "-o", folder.path + "/out", "--method", "gptq", "--bits", "3", "--explain",
      "--json")
    #expect(run.code == 0, "\(run.talk)")
    for key in ["size_bytes", "bits_per_weight", "seconds", "peak_memory_bytes"] {
      #expect(try run.json[key]?.double.map { $0 > 0 } == true, "\(key)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    let table = try CommandRun("compress", tinyModel, "-o", folder.path + "/out", "--explain")
    #expect(table.output.contains("model.layers.0.self_attn.q_proj.weight"))
  }

  @Test func efforts() throws {
    let folder = try TemporaryFolder()
    let calibration = try folder.write("text.txt", text)
    let none = try CommandRun("compress", tinyModel, "-o", folder.path + "/none", "--effort", "none")
    #expect(none.code == 0, "\(none.talk)")
    let some = try CommandRun(arguments(folder.path + "/some", calibration, "--effort", "some"))
    #expect(some.code == 0, "\(some.talk)")
    let itself = try CommandRun(
      "compress", tinyModel, "-o", folder.path + "/self", "--effort", "some", "--calibration-tokens", "128",
      "--calibration-window", "32")
    #expect(itself.code == 0, "\(itself.talk)")
    let bare = try CommandRun(
      "compress", tinyModel, "-o", folder.path + "/bare", "--effort", "none", "--embedding-bits", "0",
      "--skip-measuring", "--json")
    #expect(try bare.json["recipe"]?["embedding-bits"]?.int == 0)
    let few = try CommandRun(
      arguments(folder.path + "/few", calibration, "--effort", "some", "--bits", "2", "--json"))
    #expect(try few.json["bits_per_weight"]?.double.map { $0 < 3 } == true, "\(few.talk)")
    let other = try CommandRun(
      "compress", tinyModel, "-o", folder.path + "/no", "--effort", "none", "--bits", "2")
    #expect(other.code == 64 && other.talk.contains("--bits"))
  }

  @Test func aTonOfTimeIsTrained() throws {
    let folder = try TemporaryFolder()
    let calibration = try folder.write("text.txt", text)
    let place = folder.path + "/ton"
    let ton = arguments(place, calibration, "--effort", "ton", "--bits", "2", "--time-budget")
    let short = try CommandRun(ton + ["0.0001s"])
    #expect(short.code == 65 && short.talk.contains("too short"), "\(short.talk)")
    let explained = try CommandRun(ton + ["90s", "--explain"])
    #expect(explained.code == 0 && explained.output.contains("2 min of training"), "\(explained.output)")
    let run = try CommandRun(ton + ["3s", "--json"])
    #expect(run.code == 0, "\(run.talk)")
    let tuning = try #require(try run.json["tuning"])
    let before = try #require(tuning["kl_divergence_before"]?.double)
    let after = try #require(tuning["kl_divergence_after"]?.double)
    #expect(after < before, "\(before) to \(after)")
    #expect(try run.json["bits_per_weight"]?.double.map { $0 < 3 } == true)
    // Nothing is left beside it.
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["text.txt", "ton"])
    // Without some of its layers it is trained as a whole.
    let cut = try CommandRun(
      arguments(
        folder.path + "/cut", calibration, "--effort", "ton", "--drop-layers", "1", "--time-budget", "2s",
        "--json"))
    #expect(try cut.json["tuning"]?["kl_divergence_after"]?.double != nil, "\(cut.talk)")
    // Storages that a target finds are trained, and stay within it.
    let target = try CommandRun(
      arguments(
        folder.path + "/target", calibration, "--effort", "ton", "--target-bits", "4", "--time-budget", "3s",
        "--json"))
    #expect(target.code == 0, "\(target.talk)")
    #expect(try target.json["bits_per_weight"]?.double.map { $0 <= 4 } == true)
    let found = try #require(try target.json["tuning"])
    #expect(found["kl_divergence_after"]!.double! < found["kl_divergence_before"]!.double!)
    // All of the text is read: nothing is left to measure with, which is said before anything is compressed.
    let greedy = try CommandRun(
      "compress", tinyModel, "-o", folder.path + "/no", "--effort", "ton", "--time-budget", "2s",
      "--calibration",
      calibration, "--calibration-tokens", "1000000")
    #expect(greedy.code == 65 && greedy.talk.contains("measure with"), "\(greedy.talk)")
    let timed = try CommandRun(
      "compress", tinyModel, "-o", folder.path + "/no", "--effort", "some", "--time-budget", "3s")
    #expect(timed.code == 64 && timed.talk.contains("--effort ton"))
  }

  /// Fewer tokens than a window are one window.
  @Test func aModelWritesAtLeastOneWindow() throws {
    let folder = try TemporaryFolder()
    let run = try CommandRun(
      "compress", tinyModel, "-o", folder.path + "/out", "--method", "gptq", "--calibration", "self",
      "--calibration-tokens", "10", "--json")
    #expect(run.code == 0, "\(run.talk)")
    let report = try run.json
    #expect(report["calibration"]?["sequences"]?.int == 1)
    for key in ["windows", "tokens", "peak_memory_bytes"] { #expect(report[key]?.int ?? 0 > 0, "\(key)") }
    #expect(report["pith"]?.string != nil)
  }

  /// The text here could not be read: what is wrong with the output is found before.
  @Test(arguments: [["--method", "gptq"], ["--target-bits", "4"]])
  func anOutputThatExistsIsFoundBeforeTheTextIsRead(_ goal: [String]) throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path + "/out", withIntermediateDirectories: true)
    let run = try CommandRun(
      ["compress", tinyModel, "-o", folder.path + "/out", "--calibration", folder.path + "/none.txt"] + goal)
    #expect(run.code == 73, "\(run.talk)")
  }

  /// A run that was killed at its second recipe does not go back to its first.
  @Test func aPerplexityIncreaseIsKeptAndResumedWhereItWas() throws {
    let folder = try TemporaryFolder()
    let calibration = try folder.write("text.txt", text)
    func compress(_ name: String, _ more: String...) throws -> JSON {
      let run = try CommandRun(
        [
          "compress", tinyModel, "-o", folder.path + "/" + name, "--calibration", calibration,
          "--calibration-window", "32", "--calibration-tokens", "640", "--max-perplexity-increase", "10%",
          "--json",
        ] + more)
      #expect(run.code == 0, "\(run.talk)")
      return try run.json
    }
    let first = try compress("first")
    #expect(first["perplexity"]!.double! <= 1.1 * first["perplexity_original"]!.double!)
    _ = try folder.write(".second.share.json", #"{"increase": 0.1, "share": 0.01}"#)
    let second = try compress("second", "--resume")
    #expect(second["size_bytes"]!.int! > first["size_bytes"]!.int!)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func targetsAreKeptOrRefusedInOneSentence() throws {
    let folder = try TemporaryFolder()
    let calibration = try folder.write("text.txt", text)
    let run = try CommandRun(arguments(folder.path + "/bits", calibration, "--target-bits", "5", "--json"))
    #expect(run.code == 0, "\(run.talk)")
    #expect(try run.json["bits_per_weight"]!.double! <= 5)
    let impossible = try CommandRun(arguments(folder.path + "/tiny", calibration, "--target-size", "1kB"))
    #expect(impossible.code == 64 && impossible.talk.contains("below what the smallest"))
    let explained = try CommandRun(
      arguments(folder.path + "/x", calibration, "--target-size", "1MB", "--explain"))
    #expect(explained.code == 0 && explained.output.contains("KL divergence"), "\(explained.talk)")
  }
}
