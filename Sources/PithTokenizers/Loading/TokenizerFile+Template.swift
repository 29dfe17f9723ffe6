import PithJSON

extension TokenizerFile {
  /// The template of a post-processor; nil when it adds no tokens.
  func template(_ part: JSON) throws(TokenizerError) -> SpecialTokenTemplate? {
    let type = try Self.type(part)
    switch type {
    case "ByteLevel": return nil
    case "TemplateProcessing":
      return SpecialTokenTemplate(
        single: try templateParts(part, "single"), pair: try templateParts(part, "pair"))
    case "BertProcessing":
      let (start, end) = (try token(part, "cls"), try token(part, "sep"))
      return SpecialTokenTemplate(
        single: [.token(start, type: 0), .first(type: 0), .token(end, type: 0)],
        pair: [
          .token(start, type: 0), .first(type: 0), .token(end, type: 0), .second(type: 1),
          .token(end, type: 1),
        ], typesWithoutTokens: false)
    case "RobertaProcessing":
      let (start, end) = (try token(part, "cls"), try token(part, "sep"))
      return SpecialTokenTemplate(
        single: [.token(start, type: 0), .first(type: 0), .token(end, type: 0)],
        pair: [
          .token(start, type: 0), .first(type: 0), .token(end, type: 0), .token(end, type: 0),
          .second(type: 0), .token(end, type: 0),
        ], typesWithoutTokens: false)
    case "Sequence":
      var template: SpecialTokenTemplate?
      for element in try Self.elements(part, "processors") {
        guard let next = try self.template(element) else { continue }
        guard template == nil else { throw Self.unsupported("post-processor", "Sequence of two templates") }
        template = next
      }
      return template
    default: throw Self.unsupported("post-processor", type)
    }
  }

  /// A token written as a pair of its content and its id.
  private func token(_ part: JSON, _ name: String) throws(TokenizerError) -> Int32 {
    guard let id = part[name]?[1]?.int, let id = Int32(exactly: id), id >= 0 else {
      throw TokenizerError("The post-processor lacks a valid token \"\(name)\"; add it with its id.")
    }
    return id
  }

  private func templateParts(_ part: JSON, _ name: String) throws(TokenizerError) -> [SpecialTokenTemplate
    .Part]
  {
    var parts: [SpecialTokenTemplate.Part] = []
    let elements = try Self.elements(part, name)
    guard elements.count <= 256 else {
      throw TokenizerError("The template of tokenizer.json has more than 256 parts; shorten it.")
    }
    for element in elements {
      if let sequence = element["Sequence"] {
        let type = Int32(truncatingIfNeeded: sequence["type_id"]?.int ?? 0)
        parts.append(sequence["id"]?.isString("B") == true ? .second(type: type) : .first(type: type))
      } else if let token = element["SpecialToken"], let key = token["id"]?.string {
        let type = Int32(truncatingIfNeeded: token["type_id"]?.int ?? 0)
        guard let ids = part["special_tokens"]?[key]?["ids"]?.array else {
          throw TokenizerError(
            "The template names the token \"\(key.prefix(40))\" without its ids; add them.")
        }
        for id in ids {
          guard let id = id.int, let id = Int32(exactly: id), id >= 0 else {
            throw TokenizerError("A token of the template has an id that is no id; correct it.")
          }
          parts.append(.token(id, type: type))
        }
      } else {
        throw TokenizerError("A part of the template is neither a sequence nor a special token; correct it.")
      }
    }
    return parts
  }
}
