/// What is put around the tokens of one text, or of two.
struct PostProcessor: Sendable {
  /// A part of the result.
  enum Part: Sendable {
    case token(Int32, type: Int32)
    case first(type: Int32)
    case second(type: Int32)
  }

  var single: [Part] = [.first(type: 0)]
  var pair: [Part] = [.first(type: 0), .second(type: 1)]

  /// The result for a text, or for two.
  func apply(_ first: [Int32], _ second: [Int32]? = nil) -> Encoding {
    var encoding = Encoding(ids: [], typeIDs: [])
    func append(_ ids: [Int32], _ type: Int32) {
      encoding.ids += ids
      encoding.typeIDs += ids.map { _ in type }
    }
    for part in second == nil ? single : pair {
      switch part {
      case .token(let id, let type): append([id], type)
      case .first(let type): append(first, type)
      case .second(let type): append(second ?? [], type)
      }
    }
    return encoding
  }
}

/// The tokens of one text or two.
public struct Encoding: Sendable, Equatable {
  /// The tokens.
  public var ids: [Int32]
  /// Which text each belongs to, as the model was trained: 0 or 1.
  public var typeIDs: [Int32]
}
