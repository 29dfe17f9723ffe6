import PithModels
import PithTensors
import PithTokenizers

/// Texts with a class each, as tokens.
struct LabelledTexts: Sendable {
  /// Texts that go through a model together, and their classes.
  struct Part: Sendable {
    let batch: Batch
    let targets: [Int32]
  }

  /// The tokens of each text.
  let tokens: [[Int32]]
  /// The class of each, from 0.
  let labels: [Int32]

  /// Reads lines of a text, a tab and the number of a class, below a header.
  ///
  /// - Throws: `TrainingDataError` naming the first line that is not so.
  init(_ text: String, named path: String, _ tokenizer: Tokenizer, longest: Int) throws(TrainingDataError) {
    var (tokens, labels): ([[Int32]], [Int32]) = ([], [])
    let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count == 2, let label = Int32(fields[1]), label >= 0 else {
        throw TrainingDataError(
          "\(path), line \(index + 1): a text, a tab and the number of a class, from 0, are expected.")
      }
      let own = tokenizer.encode(String(fields[0]))
      tokens.append(own.count <= longest ? own : own.prefix(longest - 1) + own.suffix(1))
      labels.append(label)
    }
    guard !labels.isEmpty else {
      throw TrainingDataError(
        "\(path): it has no text below its header; give lines of a text, a tab and a class.")
    }
    (self.tokens, self.labels) = (tokens, labels)
  }

  /// Whether all classes are there.
  ///
  /// - Throws: `TrainingDataError` naming one that is not.
  func check(_ classes: Int, named path: String) throws(TrainingDataError) {
    if let label = labels.first(where: { Int($0) >= classes }) {
      throw TrainingDataError(
        "\(path): class \(label) is out of range, since the model has \(classes) classes, from 0.")
    }
  }

  /// Texts of a step: each epoch has all once, in another order, those of like length together.
  func part(ofStep step: Int, texts: Int, seed: UInt64) -> Part {
    let perEpoch = max(1, labels.count / texts)
    let (epoch, place) = (step / perEpoch, step % perEpoch)
    var generator = SeededGenerator(seed: seed &+ UInt64(epoch) &* 0xD6E8_FEB8_6659_FD93)
    var order = Array(labels.indices)
    order.shuffle(using: &generator)
    // Of some dozen parts' texts the shortest go together, then the next; the parts themselves go in any order.
    let pool = 32 * texts
    var parts: [[Int]] = []
    for start in stride(from: 0, to: perEpoch * texts, by: pool) {
      let some = order[start..<min(start + pool, min(order.count, perEpoch * texts))].sorted {
        tokens[$0].count < tokens[$1].count
      }
      for first in stride(from: 0, to: some.count, by: texts) {
        parts.append(Array(some[first..<min(first + texts, some.count)]))
      }
    }
    parts.shuffle(using: &generator)
    return part(parts[place])
  }

  /// All texts, those of like length together.
  func allParts(texts: Int) -> [Part] {
    let order = labels.indices.sorted { tokens[$0].count < tokens[$1].count }
    return stride(from: 0, to: order.count, by: texts).map {
      part(Array(order[$0..<min($0 + texts, order.count)]))
    }
  }

  private func part(_ places: [Int]) -> Part {
    // A text without tokens cannot go through a model.
    let some = places.filter { !tokens[$0].isEmpty }
    return Part(
      batch: Batch(some.enumerated().map { (sequence: $0, position: 0, tokens: tokens[$1]) }),
      targets: some.map { labels[$0] })
  }
}
