/// A unigram language model: the segmentation of highest total score, found by the Viterbi algorithm.
///
/// Kudo, "Subword Regularization", 2018, https://arxiv.org/abs/1804.10959.
struct Unigram: Sendable {
  /// The best way to reach a place in the piece.
  struct Node {
    var score = 0.0
    var start: Int32 = -1
    var id: Int32 = -1
  }

  /// How much worse than the worst token an unknown character is, as in SentencePiece.
  private static let unknownPenalty = 10.0

  let vocabulary: Vocabulary
  private let trie: Trie
  private let scores: [Double]
  private let unknown: Int32
  private let unknownScore: Double
  private let byteTokens: ByteTokens?

  /// A model whose token `id` has the score `scores[id]`.
  init(vocabulary: Vocabulary, scores: [Double], unknown: Int32, hasByteFallback: Bool) {
    self.vocabulary = vocabulary
    self.scores = scores
    self.unknown = unknown
    unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
    byteTokens = hasByteFallback ? ByteTokens(vocabulary) : nil
    var trie = Trie()
    for id in 0..<vocabulary.idBound {
      if let token = vocabulary.token(id) { trie.insert(token, value: Int32(id)) }
    }
    self.trie = trie
  }

  func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], workspace: inout Workspace) {
    guard !piece.isEmpty else { return }
    fill(&workspace.lattice, piece)
    var spans: [(id: Int32, start: Int, end: Int)] = []
    var end = piece.count
    while end > 0 {
      let node = workspace.lattice[end]
      let start = Int(node.start)
      if node.id < 0 || node.id == unknown, unknown >= 0, let last = spans.last, last.id == unknown {
        spans[spans.count - 1].start = start
      } else {
        spans.append((node.id < 0 ? unknown : node.id, start, end))
      }
      end = start
    }
    for span in spans.reversed() {
      if span.id >= 0, span.id != unknown {
        ids.append(span.id)
        continue
      }
      // Neighbouring unknown characters are looked up once more as a whole, as the reference does.
      let text = UnsafeBufferPointer(rebasing: piece[span.start..<span.end])
      let id = vocabulary.id(of: text)
      if id >= 0 {
        ids.append(id)
      } else if byteTokens?.append(text, to: &ids) != true, unknown >= 0 {
        ids.append(unknown)
      }
    }
  }

  private func fill(_ lattice: inout [Node], _ piece: UnsafeBufferPointer<UInt8>) {
    lattice.removeAll(keepingCapacity: true)
    lattice.append(contentsOf: repeatElement(Node(), count: piece.count + 1))
    var start = 0
    while start < piece.count {
      let scoreHere = lattice[start].score
      let next = min(start + UTF8Text.length(lead: piece[start]), piece.count)
      var hasSingle = false
      var node = 0
      var end = start
      while end < piece.count, let child = trie.child(of: node, piece[end]) {
        node = child
        end += 1
        let id = trie.values[node]
        guard id >= 0 else { continue }
        let score = scores[Int(id)] + scoreHere
        if lattice[end].start < 0 || score > lattice[end].score {
          lattice[end] = Node(score: score, start: Int32(start), id: id)
        }
        if end == next { hasSingle = true }
      }
      if !hasSingle {
        let score = unknownScore + scoreHere
        if lattice[next].start < 0 || score > lattice[next].score {
          lattice[next] = Node(score: score, start: Int32(start), id: -1)
        }
      }
      start = next
    }
  }
}
