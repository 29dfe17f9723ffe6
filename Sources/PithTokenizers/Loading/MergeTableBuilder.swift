/// Collects merges in the order of their ranks and checks them against the vocabulary.
struct MergeTableBuilder {
  enum Fault { case malformed, unknownToken }

  let vocabulary: Vocabulary
  /// What the right token begins with and its union with the left one leaves out.
  let prefix: [UInt8]
  private(set) var table: MergeTable
  private var rank = 0
  private var union: [UInt8] = []

  init(vocabulary: Vocabulary, capacity: Int, prefix: [UInt8] = []) {
    self.vocabulary = vocabulary
    self.prefix = prefix
    table = MergeTable(capacity: capacity)
  }

  /// The error that tells what is wrong with the merge that was to be added.
  func fault(_ fault: Fault) -> TokenizerError {
    let reason =
      switch fault {
      case .malformed: "is not a pair of tokens"
      case .unknownToken: "names a token that the vocabulary lacks"
      }
    return TokenizerError("Merge number \(rank) \(reason); take the tokenizer again from its source.")
  }

  /// Adds a merge written as two tokens with a space between them; tells what is wrong with it, if anything.
  mutating func append(spaced text: UnsafeBufferPointer<UInt8>) -> Fault? {
    guard let space = text.firstIndex(of: 0x20), text[(space + 1)...].firstIndex(of: 0x20) == nil else {
      return .malformed
    }
    return append(
      UnsafeBufferPointer(rebasing: text[..<space]), UnsafeBufferPointer(rebasing: text[(space + 1)...]))
  }

  /// Adds a merge; tells what is wrong with it, if anything.
  mutating func append(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Fault? {
    union.removeAll(keepingCapacity: true)
    union.append(contentsOf: left)
    let dropped = right.starts(with: prefix) ? prefix.count : 0
    union.append(contentsOf: UnsafeBufferPointer(rebasing: right[dropped...]))
    let (leftID, rightID) = (vocabulary.id(of: left), vocabulary.id(of: right))
    let id = vocabulary.id(of: union)
    guard leftID >= 0, rightID >= 0, id >= 0 else { return .unknownToken }
    table.insert(leftID, rightID, rank: rank, id: id)
    rank += 1
    return nil
  }
}
