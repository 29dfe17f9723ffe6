/// Everything a tokenizer is made of, built once and shared by its copies.
final class TokenizerDefinition: Sendable {
  let normalizer: Normalizer?
  let preTokenizer: PreTokenizer?
  let model: PieceModel
  let added: AddedTokens
  let template: SpecialTokenTemplate
  let decoder: [DecoderStage]
  let specialTokens: SpecialTokens
  let vocabularySize: Int

  /// The ids of the tokens with a role.
  struct SpecialTokens: Sendable {
    var beginningOfText: Int32?
    var endOfText: Int32?
    var unknown: Int32?
    var padding: Int32?
    var separator: Int32?
    var classification: Int32?
    var mask: Int32?
  }

  init(
    normalizer: Normalizer?, preTokenizer: PreTokenizer?, model: PieceModel, added: [AddedToken],
    template: SpecialTokenTemplate, decoder: [DecoderStage.Kind], specialTokens: SpecialTokens
  ) {
    self.normalizer = normalizer
    self.preTokenizer = preTokenizer
    self.model = model
    var added = AddedTokens(added, normalizer: normalizer)
    added.markSpecial(in: model.vocabulary)
    self.added = added
    self.template = template
    var isFused = false
    var stages: [DecoderStage] = []
    for kind in decoder {
      stages.append(DecoderStage(kind, isFused: isFused))
      if case .fuse = kind { isFused = true }
    }
    self.decoder = stages
    self.specialTokens = specialTokens
    let vocabulary = model.vocabulary
    vocabularySize =
      vocabulary.count + self.added.byID.keys.filter { !vocabulary.contains(id: Int($0)) }.count
  }

  func token(_ id: Int32) -> ArraySlice<UInt8>? {
    if let added = added.byID[id] { return added.content[...] }
    return model.vocabulary.token(Int(id))
  }

  func id(of token: [UInt8]) -> Int32? {
    if let id = added.id(of: token) { return id }
    let id = model.vocabulary.id(of: token)
    return id >= 0 ? id : nil
  }

  /// The ids of a text without any special tokens around it.
  func encode(_ text: [UInt8]) -> [Int32] {
    var ids: [Int32] = []
    ids.reserveCapacity(text.count / 3 + 8)
    var workspace = Workspace()
    for segment in added.segments(of: text, added.rawTrie) {
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range):
        let isWhole = range.count == text.count
        let stretch = isWhole ? text : Array(text[range])
        let beginsInput = range.lowerBound == 0 && normalizer?.dropsStart(of: stretch) != true
        encode(stretch: normalizer?.apply(to: stretch) ?? stretch, beginsInput, &ids, &workspace)
      }
    }
    return ids
  }

  /// Encodes a normalized stretch between the tokens that are looked for before normalization.
  private func encode(
    stretch: [UInt8], _ beginsInput: Bool, _ ids: inout [Int32], _ workspace: inout Workspace
  ) {
    for segment in added.segments(of: stretch, added.normalizedTrie) {
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range):
        let isWhole = range.count == stretch.count
        var pieces = Pieces(
          isWhole ? stretch : Array(stretch[range]), beginsInput: beginsInput && range.lowerBound == 0)
        preTokenizer?.apply(to: &pieces)
        model.encode(pieces, into: &ids, workspace: &workspace)
      }
    }
  }
}
