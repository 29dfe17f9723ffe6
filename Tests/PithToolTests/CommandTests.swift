import Foundation
import PithJSON
import PithTestSupport
import Testing

struct CommandTests {
  @Test func helpNamesEveryCommandAndTeaches() throws {
    let help = try CommandRun("--help")
    #expect(help.code == 0)
    for word in ["inspect", "compress", "evaluate", "bench", "generate", "chat", "embed", "Exit codes"] {
      #expect(help.output.contains(word), "\(word)")
    }
    let compress = try CommandRun("compress", "--help")
    for method in ["rtn", "kmeans", "percentile", "nf4", "af4"] { #expect(compress.output.contains(method)) }
  }

  @Test(arguments: [
    ["frobnicate"], ["inspect"], ["generate", "x", "y", "--temperature", "-1"], ["evaluate", "x"],
    ["compress", "x", "-o", "y", "--method", "magic"], ["compress", "x", "-o", "y", "--bits", "99"],
    ["compress", "x", "-o", ""], ["compress", "x", "-o", "y", "--group-size", "-3"],
    ["compress", "x", "-o", "y", "--target-bits", "4", "--embedding-bits", "4"],
    ["compress", "x", "-o", "y", "--max-perplexity-increase", "5%", "--skip-measuring"],
    ["compress", "x", "-o", "y", "--max-perplexity-increase", "5"],
    ["compress", "x", "-o", "y", "--target-size", "60"],
    ["compress", "x", "-o", "y", "--recipe", "r.yaml", "--seed", "1"],
    ["compress", "x", "-o", "y", "--method", "rtn", "--seed", "1"],
    ["compress", "x", "-o", "y", "--method", "rtn", "--calibration-tokens", "64"],
    ["compress", "x", "-o", "y", "--threads", "many"],
    ["evaluate", tinyModel, "--text", "t.txt", "--window", "100000"],
  ])
  func wrongUsageIs64(_ arguments: [String]) throws {
    let run = try CommandRun(arguments)
    #expect(run.code == 64)
    #expect(run.output.isEmpty && run.talk.hasPrefix("pith: "))
    #expect(run.talk.split(separator: "\n").count == 1, "\(run.talk)")
  }

  @Test func aMissingModelIs66AndNamed() throws {
    let run = try CommandRun("inspect", "/nowhere/model.gguf")
    #expect(run.code == 66)
    #expect(run.talk.contains("/nowhere/model.gguf"))
    #expect(run.talk.split(separator: "\n").count == 1)
  }

  @Test func aBadModelIs65AndNamed() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("bad.gguf", "GGUF but no more")
    let run = try CommandRun("generate", path, "Hello")
    #expect(run.code == 65)
    #expect(run.talk.contains(path) && run.talk.split(separator: "\n").count == 1)
  }

  @Test func anUnknownArchitectureIsNamedWithTheKnownOnes() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("config.json", #"{"model_type": "mamba"}"#)
    try FileManager.default.copyItem(
      atPath: Fixtures.path("models/llama/model.safetensors"), toPath: folder.path + "/model.safetensors")
    let run = try CommandRun("inspect", folder.path)
    #expect(run.code == 65)
    for name in ["mamba", "llama", "mistral", "qwen2", "qwen3", "gemma3", "bert", "distilbert"] {
      #expect(run.talk.contains(name), "\(name)")
    }
  }

  @Test func inspectShowsEachMatrixAndTheSum() throws {
    let run = try CommandRun("inspect", tinyModel, "--json")
    let report = try run.json
    let matrices = try #require(report["matrices"]?.array.map { Array($0) })
    #expect(report["size_bytes"]?.int == 4 * (report["parameters"]?.int ?? 0))
    let weights = matrices.reduce(0) { $0 + $1["rows"]!.int! * $1["columns"]!.int! }
    #expect(matrices.reduce(0) { $0 + $1["bytes"]!.int! } == 4 * weights)
    #expect(try CommandRun("inspect", tinyModel).output.contains("layer 0 query"))
  }

  @Test func theWholeWayOfACompression() throws {
    let folder = try TemporaryFolder()
    let small = folder.path + "/small"
    let text = try folder.write("text.txt", String(repeating: "The quick brown fox. ", count: 40))

    let compress = try CommandRun(
      "compress", tinyModel, "-o", small, "--method", "rtn", "--bits", "4", "--group-size", "8", "--json")
    #expect(compress.code == 0, "\(compress.talk)")
    #expect(try compress.json["bits_per_weight"]!.double! > 4)

    let inspect = try CommandRun("inspect", small, "--json")
    #expect(inspect.code == 0, "\(inspect.talk)")
    #expect(
      try inspect.json["size_bytes"]!.int! < CommandRun("inspect", tinyModel, "--json").json["size_bytes"]!
        .int!)

    let evaluate = try CommandRun(
      "evaluate", small, "--text", text, "--window", "16", "--max-windows", "3", "--against", tinyModel,
      "--json")
    #expect(evaluate.code == 0, "\(evaluate.talk)")
    let quality = try evaluate.json
    for key in ["size_bytes", "bits_per_weight", "bits_per_weight_model", "perplexity", "peak_memory_bytes"] {
      #expect(quality[key]?.double.map { $0 > 0 } == true, "\(key)")
    }
    #expect(quality["kl_divergence"]!.double! >= 0)
    #expect((0...1).contains(quality["top1_agreement"]!.double!))

    let bench = try CommandRun(
      "bench", small, "--prompt-tokens", "8", "--new-tokens", "8", "--repetitions", "1", "--json")
    let speed = try bench.json
    for key in ["prefill_tokens_per_second", "decode_tokens_per_second"] { #expect(speed[key]!.double! > 0) }
    for key in ["p50", "p90", "p99", "max"] { #expect(speed["latency_ms"]?[key]?.double != nil) }

    let generate = { try CommandRun("generate", small, "The", "--temperature", "0", "--max-tokens", "5") }
    let first = try generate()
    #expect(first.code == 0 && first.output.hasPrefix("The"), "\(first.talk)")
    #expect(try generate().output == first.output)
  }

  @Test func anEncoderIsMeasuredByBatches() throws {
    let folder = try TemporaryFolder()
    let model = folder.path + "/encoder"
    try FileManager.default.copyItem(atPath: Fixtures.path("models/bert-classifier"), toPath: model)
    // Random tokens are read: any tokenizer will do.
    try FileManager.default.copyItem(
      atPath: Fixtures.path("tokenizers/wordlevel.json"), toPath: model + "/tokenizer.json")
    let bench = try CommandRun("bench", model, "--prompt-tokens", "4", "--json")
    let batches = try #require(try bench.json["batches"]?.array.map { Array($0) })
    #expect(batches.map { $0["texts"]?.int } == [1, 32])
    for batch in batches {
      #expect(batch["texts_per_second"]!.double! > 0 && batch["latency_ms"]?["p99"] != nil)
    }
  }

  @Test func anOutputThatExistsIsNotOverwrittenUnlessForced() throws {
    let folder = try TemporaryFolder()
    let small = folder.path + "/small"
    try FileManager.default.createDirectory(atPath: small, withIntermediateDirectories: true)
    let kept = try folder.write("small/kept.txt", "mine")
    let refused = try CommandRun("compress", tinyModel, "-o", small)
    #expect(refused.code == 73)
    #expect(refused.talk.contains(small) && refused.talk.contains("config.json"))
    #expect(FileManager.default.fileExists(atPath: kept))
    // A folder that is no model is nobody's to replace.
    #expect(try CommandRun("compress", tinyModel, "-o", small, "--force").code == 73)
    #expect(FileManager.default.fileExists(atPath: kept))
    _ = try folder.write("small/config.json", "{}")
    #expect(try CommandRun("compress", tinyModel, "-o", small, "--force").code == 0)
    #expect(!FileManager.default.fileExists(atPath: kept))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["small"])
  }

  @Test func aModelIsComparedWithItselfWithoutLoss() throws {
    let folder = try TemporaryFolder()
    let text = try folder.write("text.txt", String(repeating: "Some words and more. ", count: 20))
    let quality = try CommandRun(
      "evaluate", tinyModel, "--text", text, "--window", "16", "--against", tinyModel, "--json"
    ).json
    #expect(abs(quality["kl_divergence"]!.double!) < 1e-6)
    #expect(quality["top1_agreement"]!.double! == 1)
  }

  @Test func aReferenceThatWasKeptIsReadAgain() throws {
    let folder = try TemporaryFolder()
    let text = try folder.write("text.txt", String(repeating: "Some words and more. ", count: 20))
    let (small, states) = (folder.path + "/small", folder.path + "/reference")
    #expect(try CommandRun("compress", tinyModel, "-o", small, "--bits", "2", "--group-size", "8").code == 0)
    let measure = { (more: [String]) in
      try CommandRun(["evaluate", small, "--text", text, "--against", tinyModel, "--json"] + more)
    }
    let windows = ["--window", "16"]
    let plain = try measure(windows).json["kl_divergence"]!.double!
    for _ in 0..<2 {
      let kept = try measure(windows + ["--keep-reference", states])
      #expect(try kept.json["kl_divergence"]!.double! == plain)
    }
    // Another text that begins with the same window.
    let longer = try folder.write(
      "longer.txt",
      String(repeating: "Some words and more. ", count: 10) + String(repeating: "Other words. ", count: 30))
    let changed = try CommandRun(
      ["evaluate", small, "--text", longer, "--against", tinyModel, "--keep-reference", states] + windows)
    #expect(changed.code == 65 && changed.talk.contains("another model, text or window"))
    let other = try measure(["--window", "8", "--keep-reference", states])
    #expect(other.code == 65)
    #expect(other.talk.contains("another model, text or window"))
    #expect(try measure(windows + ["--keep-reference", text]).code == 65)
  }

  /// On a machine without a set, the best one that is there runs in its place.
  @Test(arguments: ["scalar", "avx2", "avx512", "neon"])
  func everyInstructionSetMeasuresTheSame(_ instructions: String) throws {
    let folder = try TemporaryFolder()
    let text = try folder.write("text.txt", String(repeating: "Some words and more. ", count: 20))
    for model in [tinyModel, Fixtures.path("gguf/llama-q8_0.gguf"), Fixtures.path("gguf/gemma3.gguf")] {
      let arguments = ["evaluate", model, "--text", text, "--window", "16", "--json"]
      let usual = try CommandRun(arguments).json["perplexity"]!.double!
      let other = try CommandRun(arguments, environment: ["PITH_INSTRUCTIONS": instructions]).json[
        "perplexity"]!.double!
      #expect(abs(other / usual - 1) < 1e-5, "\(model): \(other), not \(usual)")
    }
  }

  @Test func chatNeedsATemplate() throws {
    let run = try CommandRun("chat", tinyModel, input: "Hello\n")
    #expect(run.code == 65)
    #expect(run.talk.contains("chat template"))
  }
}
