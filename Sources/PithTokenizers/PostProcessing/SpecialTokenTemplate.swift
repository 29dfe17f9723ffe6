/// Where special tokens go around one text or a pair of texts, and the types that the tokens get.
struct SpecialTokenTemplate: Sendable {
  enum Part: Sendable {
    case token(Int32, type: Int32)
    case first(type: Int32)
    case second(type: Int32)
  }

  var single: [Part]
  var pair: [Part]
  /// Whether the types hold even when the special tokens are left out.
  var typesWithoutTokens = true

  /// Nothing around the texts; the second text has type 1.
  static let plain = SpecialTokenTemplate(
    single: [.first(type: 0)], pair: [.first(type: 0), .second(type: 1)])

  /// Puts the parts together.
  func assemble(_ first: [Int32], _ second: [Int32]?, addsTokens: Bool) -> Encoding {
    let template = addsTokens || typesWithoutTokens ? self : .plain
    var encoding = Encoding(ids: [], typeIDs: [])
    for part in second == nil ? template.single : template.pair {
      switch part {
      case .token(let id, let type): if addsTokens { encoding.append(CollectionOfOne(id), type) }
      case .first(let type): encoding.append(first, type)
      case .second(let type): encoding.append(second ?? [], type)
      }
    }
    return encoding
  }
}

/// The ids of an encoded text or pair of texts.
public struct Encoding: Sendable, Equatable {
  /// The ids of the tokens.
  public internal(set) var ids: [Int32]
  /// For each token the text it belongs to, as the model was trained to see it: usually 0, and 1 for the second.
  public internal(set) var typeIDs: [Int32]

  fileprivate mutating func append(_ tokens: some Collection<Int32>, _ type: Int32) {
    ids += tokens
    typeIDs += repeatElement(type, count: tokens.count)
  }
}
