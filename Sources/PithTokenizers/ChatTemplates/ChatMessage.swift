/// One message of a conversation, as a chat template sees it.
public struct ChatMessage: Sendable, Hashable {
  /// Who speaks: `system`, `user`, `assistant`, `tool` or whatever else the template knows.
  public var role: String

  /// What is said: a text, a list of parts such as `["type": "text", "text": "Hello"]`, or `null`. Nil if the message
  /// has no content at all.
  public var content: TemplateValue?

  /// Further members, such as `tool_calls`, `reasoning_content` or `name`, in their order.
  public var fields: [TemplateValue.Member]

  /// A message of `role`.
  public init(role: String, content: TemplateValue?, fields: [TemplateValue.Member] = []) {
    self.role = role
    self.content = content
    self.fields = fields
  }

  /// A message of `role` that says `content`.
  public init(role: String, content: String) {
    self.init(role: role, content: .string(content))
  }

  /// The message as an object. Reasoning is passed under each name that templates know it by, `reasoning_content` and
  /// `thinking`, whichever of them or `reasoning` it came under.
  var value: TemplateValue {
    var members = [TemplateValue.Member("role", .string(role))]
    if let content { members.append(TemplateValue.Member("content", content)) }
    members += fields
    let reasoning = ["reasoning_content", "thinking", "reasoning"].lazy.compactMap { name in
      fields.last { $0.name == name && $0.value != .null }
    }.first
    guard let reasoning else { return .object(members) }
    if !fields.contains(where: { $0.name == "thinking" }) {
      members.insert(TemplateValue.Member("thinking", reasoning.value), at: 0)
    }
    members.append(TemplateValue.Member("reasoning_content", reasoning.value))
    return .object(members)
  }
}
