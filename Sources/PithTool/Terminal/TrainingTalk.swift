import Pith
import PithTraining

/// A line now and then of how far a training is.
struct TrainingTalk {
  /// What is trained; nil where there is nothing else.
  var title: String?

  private let clock = ContinuousClock()
  private let start = ContinuousClock.now
  private var last: ContinuousClock.Instant?
  private var firstShare: Double?

  init(title: String? = nil) { self.title = title }

  mutating func say(_ progress: TrainingRun.Progress) {
    let now = clock.now
    let before = firstShare ?? 0
    if firstShare == nil { firstShare = progress.share }
    guard progress.heldOut != nil || last.map({ now - $0 > .seconds(10) }) ?? (now - start > .seconds(2))
    else { return }
    last = now
    let spent = (now - start) / .seconds(1)
    let left = spent * (1 - progress.share) / max(1e-9, progress.share - before)
    var line = title.map { "\($0): " } ?? ""
    line += "step \(progress.step): loss \(Format.number(progress.loss, 3))"
    if let compressed = progress.compressed { line += ", \(Format.percent(compressed)) compressed" }
    if let heldOut = progress.heldOut {
      line += ", validation loss \(Format.number(heldOut.loss, 4))"
      if let accuracy = heldOut.accuracy { line += ", accuracy \(Format.percent(accuracy))" }
      if let divergence = heldOut.divergence {
        line += ", KL divergence from the teacher \(Format.number(divergence, 4))"
      }
    }
    line += ", \(Format.number(progress.tokensPerSecond, 0)) tokens/s, \(Format.duration(left)) left"
    Output.say(line)
  }
}
