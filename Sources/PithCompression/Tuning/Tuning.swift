import Foundation
import PithCheckpoints
import PithModels
import PithTensors
import PithTraining

/// Training behind a compression: a decoder learns to live with what was done to its weights, which stay as they are stored.
///
/// First each layer in turn learns to give what the original's gives, then all of them together learn the original's probabilities
/// (EfficientQAT, arXiv 2407.11062, section 3; LLM-QAT, arXiv 2305.17888, equation 2). What is nearest to these on text that was not learned stays, be it
/// the model that training began with.
public struct Tuning: Sendable {
  /// The two parts of a tuning.
  public enum Stage: String, Sendable { case layers, whole }

  /// Seconds of training in all.
  public let seconds: Double
  /// Called after each step.
  public let progress: @Sendable (Stage, TrainingRun.Progress) -> Void

  /// A tuning.
  ///
  /// - Parameter seconds: how long is trained; reading, compressing and measuring come on top.
  public init(
    seconds: Double, progress: @escaping @Sendable (Stage, TrainingRun.Progress) -> Void = { _, _ in }
  ) {
    self.seconds = seconds
    self.progress = progress
  }

  /// The seconds of a stage; all of them are those of the whole where it is the only one.
  public func seconds(of stage: Stage, byLayer: Bool = true) -> Double {
    guard byLayer else { return stage == .whole ? seconds : 0 }
    return seconds * (stage == .layers ? Self.shareOfLayers : 1 - Self.shareOfLayers)
  }

  /// The share of the time that is spent layer by layer: a minute there brings more than one of the whole.
  private static let shareOfLayers = 0.75

  /// How far 2 bits move the weights of a usual model.
  private static let usualChange: Float = 0.09

  /// Windows of a step.
  static let batch = 4

  /// Sequences that are measured on while it learns, which takes time from learning; in the end all that are held out are.
  private static let heldOutSequences = 4

  /// Tokens of a window.
  static func window(of decoder: Decoder) -> Int { min(256, decoder.configuration.contextLength) }

  /// What a stage is told.
  ///
  /// - Parameter change: how far compression has moved weights, as a root mean square.
  func recipe(
    _ stage: Stage, seconds: Double, window: Int, _ start: Checkpoint, like original: String, text: String,
    change: Float
  ) -> TrainingRecipe {
    var distillation = TrainingRecipe.Distillation(teacher: .models([original]))
    (distillation.temperature, distillation.soft, distillation.byLayer) = (1, 1, stage == .layers)
    var recipe = TrainingRecipe()
    recipe.start = .model(path: start.path)
    recipe.data = .text(path: text, heldOut: 0)
    recipe.distillation = distillation
    (recipe.window, recipe.batch) = (window, Self.batch)
    recipe.end = .seconds(seconds)
    recipe.optimizer = .adamW(beta2: 0.99, decay: 0)
    // Where the values that there are lie closer, a step of the same length changes more codes, many of them for nothing.
    recipe.learningRate = (stage == .layers ? 3e-4 : 1e-4) * min(1, change / Self.usualChange)
    recipe.warmUp = 5
    if stage == .whole { (recipe.keep, recipe.evaluateEvery) = (.best, 20) }
    return recipe
  }

  /// Finds what would keep a tuning from ending well, before anything else is done.
  ///
  /// - Throws: `TuningError` for a model that is no decoder, or a time in which nothing can be learned.
  public func check(_ source: Checkpoint, on pool: ThreadPool) throws {
    guard case .decoder(let decoder) = try source.model() else { throw TuningError.noDecoder(source.path) }
    let needed = Self.leastSeconds(of: decoder, on: pool)
    if seconds < needed { throw TuningError.tooShort(seconds: seconds, needed: needed) }
  }

  /// - Throws: `TuningError` for a text that leaves nothing to measure with, `RecipeError` where there is none.
  func check(_ calibration: Calibration?, for model: Model) throws {
    guard let calibration else { throw RecipeError.needsCalibration("Training") }
    guard case .decoder(let decoder) = model, windows(of: calibration, for: decoder) == nil else { return }
    throw TuningError.tooLittleText(calibration.source)
  }

  /// Windows of a text; nil if it leaves nothing to measure with.
  func windows(of calibration: Calibration, for decoder: Decoder) -> TokenWindows? {
    TokenWindows(
      calibration.sequences, heldOut: Array(calibration.heldOut.prefix(Self.heldOutSequences)),
      window: Self.window(of: decoder))
  }

  /// The seconds of a step of each layer and one of the whole, in their shares of the time.
  private static func leastSeconds(of decoder: Decoder, on pool: ThreadPool) -> Double {
    let tokens = Double(batch * window(of: decoder))
    // A step reads with both models and goes back, which takes two such passes, and a fifth for the optimizer.
    return max(LayerTuning.passes / shareOfLayers, 5 / (1 - shareOfLayers)) * tokens
      / LayerTuning.speed(of: decoder, window: window(of: decoder), on: pool)
  }
}

/// Why a model cannot be tuned, in one sentence.
public enum TuningError: Error, Equatable, CustomStringConvertible {
  /// Only decoders are.
  case noDecoder(String)
  /// Nothing can be learned in the time.
  case tooShort(seconds: Double, needed: Double)
  /// The text leaves nothing to measure with.
  case tooLittleText(String)

  /// The sentence.
  public var description: String {
    switch self {
    case .noDecoder(let path):
      "\(path): it is no decoder, and only decoders are trained behind a compression: compress it, then use pith distill with texts and their classes."
    case .tooShort(let seconds, let needed):
      "\(Self.text(seconds)) of training are too short for one step, with each layer before it, which take about \(Self.text(needed)) here: allow more time."
    case .tooLittleText(let source):
      "\(source): the text leaves no tokens to measure with beside those that are learned: give a longer one, or fewer --calibration-tokens."
    }
  }

  private static func text(_ seconds: Double) -> String {
    seconds < 90 ? String(format: "%.2g s", seconds) : "\(Int((seconds / 60).rounded(.up))) min"
  }
}
