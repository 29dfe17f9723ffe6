import Foundation

import PithTokenizers

/// What `Tools/make_template_fixtures.py` writes: templates, conversations, and what the reference renders.
struct TemplateFixtures: Decodable {
  struct Conversation: Decodable {
    let messages: FixtureValue
    let context: FixtureValue
  }

  struct Chat: Decodable, CustomStringConvertible {
    let template: String
    let conversation: String
    let prompt: Bool
    /// What the reference renders; nil if it raises.
    let output: String?
    /// The template's own words, if it raised the error itself.
    let refusal: String?

    var description: String { "\(template), \(conversation)\(prompt ? ", prompted" : "")" }
  }

  struct Snippet: Decodable, CustomStringConvertible {
    let source: String
    let output: String?
    let refusal: String?

    var description: String { source }
  }

  let templates: [String: String]
  let conversations: [String: Conversation]
  let chats: [Chat]
  let snippetContext: FixtureValue
  let snippets: [Snippet]

  static let shared: TemplateFixtures = {
    do {
      let tests = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
      let data = try Data(contentsOf: tests.appending(path: "Fixtures/templates/templates.json"))
      return try JSONDecoder().decode(TemplateFixtures.self, from: data)
    } catch {
      fatalError("The template fixtures cannot be read: \(error)")
    }
  }()

  /// The clock of the reference.
  static let time = CalendarTime(year: 2025, month: 3, day: 7, hour: 14, minute: 5, second: 9)
}

/// A value of a fixture: JSON with the types of numbers and the order of members written out.
struct FixtureValue: Decodable {
  let value: TemplateValue

  private struct Member: Decodable {
    let name: String
    let value: FixtureValue
  }

  private enum Keys: CodingKey { case object, int, double }

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if single.decodeNil() {
      value = .null
    } else if let bool = try? single.decode(Bool.self) {
      value = .bool(bool)
    } else if let string = try? single.decode(String.self) {
      value = .string(string)
    } else if let array = try? single.decode([FixtureValue].self) {
      value = .array(array.map(\.value))
    } else {
      let keyed = try decoder.container(keyedBy: Keys.self)
      if let int = try keyed.decodeIfPresent(Int.self, forKey: .int) {
        value = .int(int)
      } else if let double = try keyed.decodeIfPresent(Double.self, forKey: .double) {
        value = .double(double)
      } else {
        value = .object(
          try keyed.decode([Member].self, forKey: .object).map {
            TemplateValue.Member($0.name, $0.value.value)
          })
      }
    }
  }

  /// The members of an object, for a context.
  var context: [String: TemplateValue] {
    guard case .object(let members) = value else { return [:] }
    return Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0.value) })
  }

  /// A list of objects as messages.
  var messages: [ChatMessage] {
    guard case .array(let items) = value else { return [] }
    return items.map { item in
      guard case .object(var members) = item else { return ChatMessage(role: "", content: "") }
      var taken: [String: TemplateValue] = [:]
      members.removeAll { member in
        guard member.name == "role" || member.name == "content" else { return false }
        taken[member.name] = member.value
        return true
      }
      guard case .string(let role)? = taken["role"] else { return ChatMessage(role: "", content: "") }
      return ChatMessage(role: role, content: taken["content"], fields: members)
    }
  }
}
