import ArgumentParser
import Pith
import PithCompression

/// The text that a model reads while it is compressed.
struct CalibrationArguments: ParsableArguments {
  @Option(
    name: .customLong("calibration"),
    help:
      "A UTF-8 text, lines of JSON with a 'text' (.jsonl), or 'self' for text that the model writes itself.")
  var text: String?

  @Option(
    name: .customLong("calibration-tokens"),
    help: "About how many tokens are read (default: \(Calibration.defaultTokens)).")
  var givenTokens: Int?

  @Option(
    name: .customLong("calibration-window"),
    help: "Tokens per window (default: \(Calibration.defaultWindow)).")
  var givenWindow: Int?

  var calibrationTokens: Int { givenTokens ?? Calibration.defaultTokens }

  var calibrationWindow: Int { givenWindow ?? Calibration.defaultWindow }

  /// A flag that says how text is read.
  var flagOfText: String? {
    givenTokens != nil ? "--calibration-tokens" : givenWindow != nil ? "--calibration-window" : nil
  }

  @Option(help: "Which windows are drawn, and where random numbers of methods start (default: 0).")
  var seed: UInt64?

  func validate() throws {
    if calibrationTokens < 1 { throw ValidationError("--calibration-tokens must be at least 1.") }
    if calibrationWindow < 2 { throw ValidationError("--calibration-window must be at least 2.") }
  }

  /// Reads the text, or has the model write it; without a text, nil.
  ///
  /// - Parameter writingItself: whether the model writes where no text is named.
  func load(_ source: Checkpoint, _ pool: ThreadPool, writingItself: Bool) throws -> Calibration? {
    guard let text = text ?? (writingItself ? "self" : nil) else { return nil }
    let model = try source.model()
    if text == "self" {
      guard case .decoder(let decoder) = model else {
        throw Failure.usage(
          "An encoder cannot write the text that this needs itself: give one with --calibration FILE.")
      }
      let window = min(calibrationWindow, decoder.configuration.contextLength)
      // At least one to read, and four more to measure on.
      let tokens = max(calibrationTokens, window) + 4 * window
      let progress = Progress("write calibration text", total: tokens / window)
      let sequences = SelfCalibration.sequences(
        decoder, tokens: tokens, window: window, seed: seed ?? 0, pool: pool
      ) { done, _ in progress.update(done) }
      return Calibration(
        sequences: Array(sequences.dropLast(4)), heldOut: Array(sequences.suffix(4)), source: "self",
        seed: seed ?? 0)
    }
    let documents = try CalibrationText.documents(of: try readText(text, for: "--calibration"), named: text)
    return try Calibration(
      documents: documents, source: text, tokenizer: try source.tokenizer(), model: model,
      tokens: calibrationTokens,
      window: calibrationWindow, seed: seed ?? 0)
  }

  /// Finds a file that cannot be read.
  func checkFile() throws {
    if let text, text != "self" { _ = try readText(text, for: "--calibration") }
  }
}
