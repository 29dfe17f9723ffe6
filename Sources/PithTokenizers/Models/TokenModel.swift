/// What turns a piece of text into tokens.
enum TokenModel: Sendable {
  case bytePairs(BytePairEncoding)
  case wordPiece(WordPiece)
  case unigram(Unigram)
  case words(WordLevel)

  /// Appends the ids of pieces of a text.
  func encode(_ pieces: Pieces, into ids: inout [Int32]) {
    pieces.text.withUnsafeBufferPointer { text in
      switch self {
      case .bytePairs(let model): model.encode(text, pieces.ranges, into: &ids)
      case .wordPiece(let model): for range in pieces.ranges { model.encode(text, range, into: &ids) }
      case .unigram(let model): for range in pieces.ranges { model.encode(text, range, into: &ids) }
      case .words(let model): for range in pieces.ranges { model.encode(text, range, into: &ids) }
      }
    }
  }

  var vocabulary: Vocabulary {
    switch self {
    case .bytePairs(let model): model.vocabulary
    case .wordPiece(let model): model.vocabulary
    case .unigram(let model): model.vocabulary
    case .words(let model): model.vocabulary
    }
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// A part of the buffer as a buffer.
  @inline(__always)
  func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: self[range]) }
}
