import ArgumentParser
import Foundation
import Pith

/// With what a command computes, and how it says what came out.
struct RunningArguments: ParsableArguments {
  @Option(help: "How many threads compute (default: one per core).")
  var threads: Int?

  @Flag(help: "Print one JSON document instead of text.")
  var json = false

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be from 1 to 1024.")
    }
  }

  var pool: ThreadPool { ThreadPool(threads: threads ?? ThreadPool.availableCores) }
}

/// The model, and how it is run: the same for every command that reads one.
struct ModelArguments: ParsableArguments {
  @Argument(help: "A folder in Hugging Face's layout, or a .gguf file.")
  var model: String

  @OptionGroup var running: RunningArguments

  var threads: Int? { running.threads }

  var json: Bool { running.json }

  func load() throws -> LoadedModel { try LoadedModel(path: model, threads: threads) }

  func loadLanguageModel() throws -> LanguageModel { try LanguageModel(path: model, threads: threads) }
}

/// How tokens are drawn.
struct SamplingArguments: ParsableArguments {
  @Option(help: "The most tokens that are written.")
  var maxTokens = 256

  @Option(help: "Higher is more surprising; 0 always takes the most likely token.")
  var temperature: Float = 0.7

  @Option(help: "Draw from the K most likely tokens only.")
  var topK: Int?

  @Option(help: "Draw from the most likely tokens that together reach this probability.")
  var topP: Float = 1

  @Option(help: "Where the random numbers start: the same seed writes the same text.")
  var seed: UInt64 = 0

  func validate() throws {
    if maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1.") }
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature must be 0 or more.")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k must be at least 1.") }
    if !(topP > 0 && topP <= 1) { throw ValidationError("--top-p must be above 0 and at most 1.") }
  }

  var sampling: Sampling { Sampling(temperature: temperature, topK: topK, topP: topP, seed: seed) }
}

/// A text file from outside; a line end of Windows counts as one line feed.
func readText(_ path: String, for flag: String) throws -> String {
  var isFolder: ObjCBool = false
  if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
    throw Failure.missing("\(path): it is a folder; give \(flag) a text file.")
  }
  guard let data = FileManager.default.contents(atPath: path) else {
    throw Failure.missing("\(path): no such file, or it cannot be read; give \(flag) a text file.")
  }
  guard let text = String(validating: data, as: UTF8.self) else {
    throw Failure.data("\(path): the file is not UTF-8 text; convert it first.")
  }
  return text.replacing("\r\n", with: "\n")
}
