import PithModels
import PithTensors

extension LayerTuning {
  /// Passes of a token through a layer: both models' states go on, and are learned from twice, there and back.
  public static let passes = 2.0 + 2 * 3

  /// Tokens that all layers learn from in a time, once each or a few times.
  static func tokens(in seconds: Double, of decoder: Decoder, window: Int, on pool: ThreadPool) -> Int {
    Int(min(seconds * speed(of: decoder, window: window, on: pool) / passes, 0x1p40))
  }

  /// Tokens a second that a decoder reads, in windows of some tokens.
  public static func speed(of decoder: Decoder, window: Int, on pool: ThreadPool) -> Double {
    let tokens = (0..<window).map { Int32($0 % decoder.configuration.vocabularySize) }
    let start = ContinuousClock.now
    var run = Inference(Batch([(sequence: 0, position: 0, tokens: tokens)]), pool: pool)
    _ = decoder.logits(decoder.states(tokens, &run), &run)
    return Double(window) / ((ContinuousClock.now - start) / .seconds(1))
  }
}
