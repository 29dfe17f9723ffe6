import Crypto
import Foundation
import PithCheckpoints
import PithJSON
import PithModels
import PithTensors
import PithTokenizers

/// The tokens that a model reads while its matrices are compressed.
///
///     let calibration = try Calibration(text: text, named: "notes.txt", tokenizer: tokenizer, for: model, seed: 0)
public struct Calibration: Sendable {
  /// What decoders read: windows of one length. What encoders read: lines of text.
  public let sequences: [[Int32]]

  /// Sequences of the same kind that were not drawn: to measure on.
  public let heldOut: [[Int32]]

  /// Where the text came from: a file's name, or `self`.
  public let source: String

  /// The seed that the sequences were drawn with.
  public let seed: UInt64

  /// How many tokens are read by default.
  public static let defaultTokens = 65_536

  /// Tokens per window by default.
  public static let defaultWindow = 512

  /// The most sequences that are held out.
  private static let mostHeldOut = 16

  /// Sequences as they are.
  public init(sequences: [[Int32]], heldOut: [[Int32]] = [], source: String, seed: UInt64 = 0) {
    self.sequences = sequences
    self.heldOut = heldOut
    self.source = source
    self.seed = seed
  }

  /// Sequences drawn from a text: windows that do not overlap for a decoder, lines for an encoder.
  ///
  /// - Parameters:
  ///   - documents: texts, each tokenized by itself.
  ///   - source: where they came from, for the report.
  ///   - tokens: about how many tokens are drawn; all there are, if there are fewer.
  ///   - window: tokens per window, and the most of a line; no more than the model's context.
  ///   - seed: which windows are drawn, where there are more than enough.
  /// - Throws: `CalibrationError` if the text does not fill one window, or the tokens are not the model's.
  public init(
    documents: [String], source: String, tokenizer: Tokenizer, model: Model, tokens: Int = defaultTokens,
    window: Int = defaultWindow, seed: UInt64 = 0
  ) throws(CalibrationError) {
    var sequences: [[Int32]]
    let vocabulary: Int
    switch model {
    case .decoder(let decoder):
      vocabulary = decoder.configuration.vocabularySize
      let window = min(window, decoder.configuration.contextLength)
      let stream = documents.flatMap { tokenizer.encode($0, addingSpecialTokens: false) }
      sequences = stride(from: 0, through: stream.count - window, by: window).map {
        Array(stream[$0..<($0 + window)])
      }
      if sequences.isEmpty { throw .tooShort(source: source, tokens: stream.count, window: window) }
    case .encoder(let encoder):
      vocabulary = encoder.configuration.vocabularySize
      let longest = min(window, encoder.configuration.contextLength)
      sequences = documents.flatMap { $0.split(separator: "\n") }.compactMap { line in
        let tokens = tokenizer.encode(String(line))
        guard tokens.count > 2 else { return nil }
        return tokens.count <= longest ? tokens : tokens.prefix(longest - 1) + tokens.suffix(1)
      }
      if sequences.isEmpty { throw .tooShort(source: source, tokens: 0, window: 1) }
    }
    if let token = sequences.lazy.joined().first(where: { $0 < 0 || $0 >= vocabulary }) {
      throw .foreignToken(token, vocabulary: vocabulary)
    }
    var generator = SeededGenerator(seed: seed)
    sequences.shuffle(using: &generator)
    var count = 0
    let drawn = sequences.prefix { sequence in
      defer { count += sequence.count }
      return count < tokens
    }
    self.init(
      sequences: Array(drawn), heldOut: Array(sequences.dropFirst(drawn.count).prefix(Self.mostHeldOut)),
      source: source, seed: seed)
  }

  /// The number of tokens.
  public var tokens: Int { sequences.reduce(0) { $0 + $1.count } }

  /// What identifies the calibration, for reports and unfinished work.
  public var json: JSONValue {
    var hash = SHA256()
    for sequence in sequences {
      hash.update(data: Data("\(sequence.count)".utf8))
      sequence.withUnsafeBytes { hash.update(bufferPointer: $0) }
    }
    return [
      "source": .string(source), "sequences": .int(sequences.count), "tokens": .int(tokens),
      "window": .int(sequences.map(\.count).max() ?? 0), "seed": .string("\(seed)"),
      "sha256": .string(hash.finalize().map { String(format: "%02x", $0) }.joined()),
    ]
  }
}

/// Why a text cannot calibrate: one sentence with the fault and its mend.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
  /// It has fewer tokens than one window.
  case tooShort(source: String, tokens: Int, window: Int)
  /// The tokenizer makes a token that the model does not know.
  case foreignToken(Int32, vocabulary: Int)
  /// A line of a JSON-lines file is wrong.
  case badLine(source: String, line: Int)

  /// The sentence.
  public var description: String {
    switch self {
    case .tooShort(let source, let tokens, let window):
      "\(source): \(tokens) tokens of calibration text do not fill one window of \(window): give a longer text, or a smaller --calibration-window."
    case .foreignToken(let token, let vocabulary):
      "The tokenizer makes token \(token), but the model knows \(vocabulary): use the model's own tokenizer."
    case .badLine(let source, let line):
      "\(source): line \(line) is no JSON object with a string 'text': mend it, or give plain text."
    }
  }
}
