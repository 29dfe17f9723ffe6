/// The unigram language model (Kudo, arXiv 1804.10959): of all ways to cut a text into tokens the most likely one,
/// found by Viterbi's algorithm.
struct Unigram: Sendable {
  let vocabulary: Vocabulary
  private let scores: [Double]
  private let unknown: Int32?
  private let unknownScore: Double
  private let byteTokens: [Int32]?
  private var tokens = Trie()

  /// - Parameters:
  ///   - scores: the logarithm of each token's probability, by id.
  ///   - byteTokens: the tokens of the 256 bytes, where unknown text falls back to them.
  init(_ vocabulary: Vocabulary, scores: [Double], unknown: Int32?, byteTokens: [Int32]?) {
    self.vocabulary = vocabulary
    self.scores = scores
    self.unknown = unknown
    self.byteTokens = byteTokens
    unknownScore = (scores.min() ?? 0) - 10
    for id in 0..<vocabulary.idBound {
      if let token = vocabulary.token(id), !token.isEmpty { tokens.insert(token, value: Int32(id)) }
    }
  }

  private struct Node {
    var score = -Double.infinity
    var start = -1
    var id: Int32 = -1
  }

  func encode(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into ids: inout [Int32]) {
    let piece = text.part(range)
    var best = [Node](repeating: Node(), count: piece.count + 1)
    best[0].score = 0
    var start = 0
    while start < piece.count {
      let scalarEnd = min(piece.count, start + UTF8Text.length(lead: piece[start]))
      let scoreHere = best[start].score
      var isScalarKnown = false
      var node = 0
      var end = start
      while end < piece.count, let next = tokens.child(of: node, piece[end]) {
        node = next
        end += 1
        let id = tokens.values[node]
        guard id >= 0 else { continue }
        let score = scores[Int(id)] + scoreHere
        if best[end].start < 0 || score > best[end].score {
          best[end] = Node(score: score, start: start, id: id)
        }
        if end == scalarEnd { isScalarKnown = true }
      }
      if !isScalarKnown {
        let score = unknownScore + scoreHere
        if best[scalarEnd].start < 0 || score > best[scalarEnd].score {
          best[scalarEnd] = Node(score: score, start: start, id: unknown ?? -1)
        }
      }
      start = scalarEnd
    }
    appendPath(best, piece, into: &ids)
  }

  /// Follows the best path back; neighbours that are unknown become one.
  private func appendPath(_ best: [Node], _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    var parts: [(range: Range<Int>, id: Int32)] = []
    var end = piece.count
    while end > 0 {
      let node = best[end]
      if node.id == unknown ?? -1, let last = parts.last, last.id == node.id {
        parts[parts.count - 1].range = node.start..<last.range.upperBound
      } else {
        parts.append((node.start..<end, node.id))
      }
      end = node.start
    }
    for (range, id) in parts.reversed() {
      guard id == unknown ?? -1 else {
        ids.append(id)
        continue
      }
      // Unknown pieces that are fused may still be a token as a whole.
      let whole = vocabulary.id(of: piece.part(range))
      if whole >= 0 {
        ids.append(whole)
      } else if let byteTokens {
        ids += piece[range].map { byteTokens[Int($0)] }
      } else if let unknown {
        ids.append(unknown)
      }
    }
  }
}
