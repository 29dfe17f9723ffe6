import PithGeneration

/// Sentences with a class each (SST-2).
public struct Classification: Sendable {
  /// The sentences.
  public let sentences: [String]
  /// The class of each, from 0.
  public let labels: [Int]

  /// Reads SST-2's lines: a header, then sentence and class separated by a tab.
  ///
  /// - Throws: `TaskError` naming the first line that is not so.
  public init(sst2 text: String) throws(TaskError) {
    var (sentences, labels): ([String], [Int]) = ([], [])
    for (number, line) in lines(of: text).dropFirst() {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count == 2, let label = Int(fields[1]), label >= 0 else {
        throw TaskError(line: number, fault: "a sentence, a tab and a class number are expected")
      }
      sentences.append(String(fields[0]))
      labels.append(label)
    }
    guard !labels.isEmpty else {
      throw TaskError(line: 1, fault: "at least one sentence is needed below the header")
    }
    (self.sentences, self.labels) = (sentences, labels)
  }

  /// The share of sentences whose class the model finds, 0…1; nil for a model without a classification head.
  ///
  /// - Parameter progress: called now and then with how many of the sentences are done.
  public func accuracy(_ model: TextEncoder, progress: (Int) -> Void = { _ in }) -> Double? {
    guard let logits = model.classLogits(sentences, progress: progress) else { return nil }
    let right = labels.indices.filter { row in Int(Sampler.mostLikely(logits[row: row])) == labels[row] }
    return Double(right.count) / Double(labels.count)
  }
}
