import Foundation
import PithJSON
import PithTestSupport

/// One run of the program `pith`, built beside the tests.
struct CommandRun {
  let output: String
  let talk: String
  let code: Int32

  init(_ arguments: String..., input: String = "", environment: [String: String] = [:]) throws {
    try self.init(arguments, input: input, environment: environment)
  }

  init(_ arguments: [String], input: String = "", environment: [String: String] = [:]) throws {
    let process = Process()
    let own = ["PITH_CACHE": FileManager.default.temporaryDirectory.appending(path: "pith-test-cache").path]
    process.environment = ProcessInfo.processInfo.environment.merging(own) { $1 }.merging(environment) { $1 }
    process.executableURL = Bundle.main.executableURL!.deletingLastPathComponent().appending(path: "pith")
    process.arguments = arguments
    let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
    process.standardInput = stdin
    process.standardOutput = stdout
    process.standardError = stderr
    try process.run()
    stdin.fileHandleForWriting.write(Data(input.utf8))
    try stdin.fileHandleForWriting.close()
    // What a run prints here fits the pipes.
    let output = stdout.fileHandleForReading.readDataToEndOfFile()
    let talk = stderr.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    self.output = String(decoding: output, as: UTF8.self)
    self.talk = String(decoding: talk, as: UTF8.self)
    code = process.terminationStatus
  }

  /// The one document on standard output.
  var json: JSON { get throws { try JSON(parsing: output) } }
}

/// A folder that is removed with the value.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "pith-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
    return path + "/" + name
  }
}

/// A tiny random Llama with its tokenizer.
let tinyModel = Fixtures.path("gguf/llama.gguf")
