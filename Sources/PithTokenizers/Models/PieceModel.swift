/// The model of a tokenizer: turns one piece of text into ids.
enum PieceModel: Sendable {
  case bytePair(BytePairEncoding)
  case wordPiece(WordPiece)
  case unigram(Unigram)
  case wordLevel(WordLevel)

  var vocabulary: Vocabulary {
    switch self {
    case .bytePair(let model): model.vocabulary
    case .wordPiece(let model): model.vocabulary
    case .unigram(let model): model.vocabulary
    case .wordLevel(let model): model.vocabulary
    }
  }

  /// Appends the ids of each piece in turn.
  func encode(_ pieces: Pieces, into ids: inout [Int32], workspace: inout Workspace) {
    pieces.forEach { piece in
      switch self {
      case .bytePair(let model): model.encode(piece, into: &ids, workspace: &workspace)
      case .wordPiece(let model): model.encode(piece, into: &ids, workspace: &workspace)
      case .unigram(let model): model.encode(piece, into: &ids, workspace: &workspace)
      case .wordLevel(let model): model.encode(piece, into: &ids)
      }
    }
  }
}

/// Arrays that a model reuses from piece to piece.
struct Workspace {
  var merging = MergeWorkspace()
  var scratch: [UInt8] = []
  var lattice: [Unigram.Node] = []
}

/// The ids of the tokens `<0x00>` … `<0xFF>` that stand for single bytes.
struct ByteTokens: Sendable {
  let ids: [Int32]

  init(_ vocabulary: Vocabulary) {
    ids = (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return vocabulary.id(of: "<0x" + (byte < 16 ? "0" : "") + digits + ">")
    }
  }

  /// Whether every byte has its token, so that nothing is unknown.
  var isComplete: Bool { ids.allSatisfy { $0 >= 0 } }

  /// Appends the tokens of all the bytes; false, with nothing appended, when one of them has none.
  func append(_ bytes: some Collection<UInt8>, to ids: inout [Int32]) -> Bool {
    guard bytes.allSatisfy({ self.ids[Int($0)] >= 0 }) else { return false }
    for byte in bytes { ids.append(self.ids[Int(byte)]) }
    return true
  }

  /// The byte that a token of this form stands for.
  static func byte(of token: ArraySlice<UInt8>) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token.last == UInt8(ascii: ">") else {
      return nil
    }
    let digits = token.dropFirst(3).dropLast()
    guard digits.first != UInt8(ascii: "+") else { return nil }
    return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}
