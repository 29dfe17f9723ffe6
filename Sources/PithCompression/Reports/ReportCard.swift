import Foundation
import PithCheckpoints
import PithEvaluation
import PithGeneration
import PithJSON
import PithModels
import PithTensors

/// What a compression did, what it made, and how good and fast that is: `pith.json` beside the weights.
public struct ReportCard: Sendable {
  /// The file's name.
  public static let file = "pith.json"

  /// One report per compressed matrix.
  public let matrices: [MatrixReport]
  /// How long the methods took, and training behind them, in seconds.
  public let seconds: Double
  /// What the output weighs.
  public private(set) var size = ModelSize()
  /// Quality on text that calibration did not read, against the original; nil without such text.
  public private(set) var quality: LanguageQuality?
  /// The mean cosine of an encoder's states to the original's; nil for a decoder, or without text.
  public private(set) var cosine: Double?
  /// The original's perplexity on the same text.
  public private(set) var originalPerplexity: Double?
  /// Speeds of a decoder.
  public private(set) var speed: GenerationSpeed?

  /// The most memory that the process had resident when all was measured, in bytes.
  public private(set) var peakMemory: Int?

  /// What was cut out whole: shapes, layers, and the matrices whose inputs went; nil for nothing.
  public let pruning: JSONValue?

  /// What training behind the steps gained; nil for no training.
  public let tuning: TuningReport?

  private let job: Job
  private let threads: Int

  init(
    job: Job, reports: [MatrixReport], pruning: JSONValue?, tuning: TuningReport?, seconds: Double,
    threads: Int
  ) {
    (self.pruning, self.tuning) = (pruning, tuning)
    self.job = job
    self.threads = threads
    matrices = reports
    self.seconds = seconds
  }

  /// By which share the perplexity rose; nil without text to measure on.
  public var perplexityIncrease: Double? {
    guard let quality, let originalPerplexity else { return nil }
    return quality.perplexity / originalPerplexity - 1
  }

  /// What was cut out whole, in a few words; nil for nothing.
  public var cut: String? {
    if case .string(let summary)? = pruning?["summary"] { summary } else { nil }
  }

  /// Matrices with numerical trouble.
  public var troubled: [MatrixReport] { matrices.filter { !$0.notes.isEmpty } }

  /// Measures what lies in a folder against the original.
  mutating func measure(
    _ folder: String, against original: Model, _ calibration: Calibration?, on pool: ThreadPool, quality: Bool
  ) throws {
    defer { peakMemory = PeakMemory.bytes }
    switch (try Checkpoint(path: folder).model(), original) {
    case (.decoder(let decoder), .decoder(let reference)):
      size = ModelSize(decoder)
      guard quality else { return }
      if let windows = calibration?.heldOut, !windows.isEmpty {
        self.quality = LanguageEvaluation(windows: windows).measure(decoder, against: reference, pool: pool)
        originalPerplexity = LanguageEvaluation(windows: windows).measure(reference, pool: pool).perplexity
      }
      speed = GenerationBenchmark(promptTokens: 128, newTokens: 32, repetitions: 1).run(decoder, pool: pool)
    case (.encoder(let encoder), .encoder(let reference)):
      size = ModelSize(encoder)
      if quality, let lines = calibration?.heldOut, !lines.isEmpty {
        cosine = Self.cosine(encoder, reference, lines, pool)
      }
    default: break
    }
  }

  private static func cosine(_ a: Encoder, _ b: Encoder, _ lines: [[Int32]], _ pool: ThreadPool) -> Double {
    let batch = Batch(lines.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
    var run = Inference(batch, pool: pool)
    return b.states(batch, &run).meanCosine(to: a.states(batch, &run))
  }

  /// The card's document.
  public var json: JSONValue {
    var json: JSONValue = [
      "format": 1, "pith": .string(PithVersion.current), "recipe": job.recipe.json, "model": job.model,
      "calibration": job.calibration?.json ?? .null, "threads": .int(threads),
    ]
    json.add(size)
    if let quality { json.add(quality) }
    if let originalPerplexity { json["perplexity_original"] = .double(originalPerplexity) }
    if let cosine { json["cosine"] = .double(cosine) }
    if let speed { json.add(speed) }
    if let peakMemory { json["peak_memory_bytes"] = .int(peakMemory) }
    json["seconds"] = .double(seconds)
    if let pruning { json["pruning"] = pruning }
    if let tuning { json["tuning"] = tuning.json }
    json["matrices_with_notes"] = .int(troubled.count)
    json["matrices"] = .array(matrices.map(\.json))
    return json
  }
}
