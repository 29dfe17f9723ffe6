/// Cuts a text into the pieces that the model sees one by one.
indirect enum PreTokenizer: Sendable {
  case split(SplitPattern, Pieces.Behavior, inverts: Bool)
  /// Puts a space before each piece that does not begin with one.
  case prefixSpace
  /// Writes each byte as its letter in GPT-2's alphabet.
  case byteLetters
  case metaspace(Metaspace)
  case sequence([PreTokenizer])

  struct Metaspace: Sendable {
    enum Prepending: Sendable { case always, first, never }
    var replacement: [UInt8]
    var prepending: Prepending
    var splits: Bool
  }

  func apply(to pieces: inout Pieces) {
    switch self {
    case .split(let pattern, let behavior, let inverts):
      pieces.split(pattern, behavior, inverts: inverts)
    case .prefixSpace:
      pieces.rewrite { piece, _, output in
        if piece.first != 0x20 { output.append(0x20) }
        output.append(contentsOf: piece)
      }
    case .byteLetters:
      pieces.rewrite { piece, _, output in ByteAlphabet.append(lettersOf: piece, to: &output) }
    case .metaspace(let metaspace): metaspace.apply(to: &pieces)
    case .sequence(let stages): for stage in stages { stage.apply(to: &pieces) }
    }
  }
}

extension PreTokenizer.Metaspace {
  fileprivate func apply(to pieces: inout Pieces) {
    pieces.rewrite { piece, isFirst, output in
      let start = output.count
      let prepends = prepending == .always || prepending == .first && isFirst
      if prepends, piece.first != 0x20, !piece.starts(with: replacement) {
        output.append(contentsOf: replacement)
      }
      output.reserveCapacity(start + piece.count)
      for byte in piece {
        if byte == 0x20 { output.append(contentsOf: replacement) } else { output.append(byte) }
      }
    }
    if splits { pieces.split(.literal(replacement), .mergedWithNext) }
  }
}
