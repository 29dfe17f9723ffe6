import PithModels
import PithTensors
import PithTokenizers

/// Texts, pairs of texts, or images with a class each, as tokens.
struct LabelledTexts: Sendable {
  /// One of them.
  struct Example: Sendable {
    let tokens: [Int32]
    /// Of each token: 1 for those of a second text.
    let segments: [Int32]
    /// The class, from 0.
    let label: Int32
  }

  /// Those that go through a model together, and their classes.
  struct Part: Sendable {
    let batch: Batch
    let targets: [Int32]
  }

  let examples: [Example]

  /// Reads lines of a text, a tab and the number of a class, or of two texts and a class, below a header.
  ///
  /// - Throws: `TrainingDataError` naming the first line that is not so.
  init(_ text: String, named path: String, _ tokenizer: Tokenizer, longest: Int) throws(TrainingDataError) {
    var examples: [Example] = []
    var columns: Int?
    for (number, line) in Self.lines(text).dropFirst() {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard [2, 3].contains(fields.count), columns ?? fields.count == fields.count,
        let label = Int32(fields.last!), (0..<Self.mostClasses).contains(label)
      else {
        throw TrainingDataError(
          "\(path), line \(number): a text, or two, and the number of a class, from 0 to \(Self.mostClasses - 1), are expected, with tabs between them."
        )
      }
      columns = fields.count
      let encoding =
        fields.count == 2
        ? tokenizer.encoding(of: String(fields[0])) : tokenizer.encode(String(fields[0]), String(fields[1]))
      examples.append(
        Example(
          tokens: Self.cut(encoding.ids, to: longest), segments: Self.cut(encoding.typeIDs, to: longest),
          label: label))
    }
    guard !examples.isEmpty else {
      throw TrainingDataError(
        "\(path): it has no text below its header; give lines of a text, a tab and a class.")
    }
    self.examples = examples
  }

  /// Reads images: lines of whole numbers with commas between them, the brightness of each pixel and last the class.
  ///
  /// A pixel is a token, one of as many as there are levels; the token before the first pixel is that of the class.
  ///
  /// - Throws: `TrainingDataError` naming the first line that is not so.
  init(images text: String, named path: String) throws(TrainingDataError) {
    var examples: [Example] = []
    for (number, line) in Self.lines(text) {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map {
        Self.number($0)
      }
      let values = fields.compactMap { $0 }
      let isWhole = values.count == fields.count && values.count > 1
      guard isWhole, values.allSatisfy({ (0...65_535).contains($0) }),
        examples.first.map({ $0.tokens.count == values.count }) ?? true
      else {
        throw TrainingDataError(
          "\(path), line \(number): the numbers of the pixels and of the class are expected, as many as in the lines before, from 0, with commas between them."
        )
      }
      examples.append(
        Example(
          tokens: [0] + values.dropLast().map { $0 + 1 },
          segments: [Int32](repeating: 0, count: values.count),
          label: values.last!))
    }
    guard !examples.isEmpty else { throw TrainingDataError("\(path): there is no image in it.") }
    self.examples = examples
  }

  private init(_ examples: [Example]) { self.examples = examples }

  /// A whole number with spaces around it.
  private static func number(_ text: Substring) -> Int32? {
    var text = text.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return Int32(text)
  }

  /// More than any task has; a larger number is something else.
  private static let mostClasses: Int32 = 65_536

  /// Lines that are not empty, with their numbers from 1.
  private static func lines(_ text: String) -> [(number: Int, line: Substring)] {
    text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.enumerated()
      .map { (number: $0 + 1, line: $1) }.filter { !$0.line.isEmpty }
  }

  /// As much as a model reads; the last token, which marks the end, stays.
  private static func cut(_ tokens: [Int32], to longest: Int) -> [Int32] {
    tokens.count <= longest ? tokens : tokens.prefix(longest - 1) + tokens.suffix(1)
  }

  /// The number of classes that are named.
  var classes: Int { Int(examples.reduce(0) { max($0, $1.label) }) + 1 }

  /// The number of tokens that are used.
  var vocabulary: Int { Int(examples.reduce(0) { max($0, $1.tokens.max() ?? 0) }) + 1 }

  /// One of some parts: every so many of the examples.
  ///
  /// - Returns: nil where there are fewer examples than parts.
  func share(_ part: Int, of count: Int) -> LabelledTexts? {
    guard count <= examples.count else { return nil }
    return LabelledTexts(stride(from: part, to: examples.count, by: count).map { examples[$0] })
  }

  /// What is learned from, and the last share, which is held out; nil if either were empty.
  func split(heldOut share: Double) -> (learned: LabelledTexts, heldOut: LabelledTexts)? {
    let cut = examples.count - Int((Double(examples.count) * share).rounded())
    guard cut > 0, cut < examples.count else { return nil }
    return (LabelledTexts(Array(examples[..<cut])), LabelledTexts(Array(examples[cut...])))
  }

  /// Whether all classes are there.
  ///
  /// - Throws: `TrainingDataError` naming one that is not.
  func check(_ classes: Int, named path: String) throws(TrainingDataError) {
    if let label = examples.first(where: { Int($0.label) >= classes })?.label {
      throw TrainingDataError(
        "\(path): class \(label) is out of range, since the model has \(classes) classes, from 0.")
    }
  }

  /// Examples of a step: each epoch has all once, in another order, those of like length together.
  func part(ofStep step: Int, texts: Int, seed: UInt64) -> Part {
    let perEpoch = max(1, examples.count / texts)
    let (epoch, place) = (step / perEpoch, step % perEpoch)
    var generator = SeededGenerator(seed: seed &+ UInt64(epoch) &* 0xD6E8_FEB8_6659_FD93)
    var order = Array(examples.indices)
    order.shuffle(using: &generator)
    // Of some dozen parts' texts the shortest go together, then the next; the parts themselves go in any order.
    let count = min(order.count, perEpoch * texts)
    var parts = Array(0..<((count + texts - 1) / texts))
    parts.shuffle(using: &generator)
    let (first, pool) = (parts[place] * texts, 32 * texts)
    let start = first / pool * pool
    let some = order[start..<min(start + pool, count)].sorted {
      examples[$0].tokens.count < examples[$1].tokens.count
    }
    return part(Array(some[(first - start)..<min(first - start + texts, some.count)]))
  }

  /// All examples, those of like length together.
  func allParts(texts: Int) -> [Part] {
    let order = examples.indices.sorted { examples[$0].tokens.count < examples[$1].tokens.count }
    return stride(from: 0, to: order.count, by: texts).map {
      part(Array(order[$0..<min($0 + texts, order.count)]))
    }
  }

  private func part(_ places: [Int]) -> Part {
    // A text without tokens cannot go through a model.
    let some = places.map { examples[$0] }.filter { !$0.tokens.isEmpty }
    return Part(
      batch: Batch(
        some.enumerated().map { (sequence: $0, position: 0, tokens: $1.tokens) },
        segments: some.flatMap(\.segments)),
      targets: some.map(\.label))
  }
}
