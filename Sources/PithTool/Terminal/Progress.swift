import Foundation

/// How far long work has come: a bar that redraws itself on a terminal, a line now and then in a log. Work that is
/// done within two seconds says nothing.
final class Progress {
  private let title: String
  private let total: Int
  private let start = ContinuousClock.now
  private var last: ContinuousClock.Instant?
  private let isTerminal = Output.isTerminal

  init(_ title: String, total: Int) {
    self.title = title
    self.total = max(1, total)
  }

  /// Notes that `done` of the total are done.
  func update(_ done: Int) {
    let now = ContinuousClock.now
    let elapsed = now - start
    guard elapsed > .seconds(2), done < total || last != nil else { return }
    let pause: Duration = isTerminal ? .milliseconds(100) : .seconds(5)
    if let last, now - last < pause, done < total { return }
    last = now
    let left = elapsed / .seconds(1) * Double(total - done) / Double(max(1, done))
    let remaining =
      done < total ? ", \(Format.duration(left)) left" : ", \(Format.duration(elapsed / .seconds(1)))"
    if isTerminal {
      let filled = 24 * done / total
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
      Output.say(
        "\r\u{1B}[K\(title) \(bar) \(done)/\(total)\(remaining)", terminator: done < total ? "" : "\n")
    } else {
      Output.say("\(title): \(done)/\(total)\(remaining)")
    }
  }
}
