import PithTokenizers
import Testing

@Suite struct ChatTemplateTests {
  @Test(arguments: TemplateFixtures.shared.chats)
  func chatsRenderAsTheReferenceDoes(_ chat: TemplateFixtures.Chat) throws {
    let fixtures = TemplateFixtures.shared
    let source = try #require(fixtures.templates[chat.template])
    let conversation = try #require(fixtures.conversations[chat.conversation])
    let template = try ChatTemplate(source)
    check(chat.output, chat.refusal) { () throws(ChatTemplateError) in
      try template.render(
        conversation.messages.messages, addingGenerationPrompt: chat.prompt,
        context: conversation.context.context, at: TemplateFixtures.time)
    }
  }

  @Test(arguments: TemplateFixtures.shared.snippets)
  func snippetsRenderAsTheReferenceDoes(_ snippet: TemplateFixtures.Snippet) {
    check(snippet.output, snippet.refusal) { () throws(ChatTemplateError) in
      try ChatTemplate(snippet.source).render(
        [], context: TemplateFixtures.shared.snippetContext.context, at: TemplateFixtures.time)
    }
  }

  private func check(
    _ output: String?, _ refusal: String?, _ render: () throws(ChatTemplateError) -> String
  ) {
    do {
      let rendered = try render()
      guard let output else {
        Issue.record("rendered \(rendered.debugDescription) where the reference raises")
        return
      }
      #expect(
        rendered.unicodeScalars.elementsEqual(output.unicodeScalars),
        "rendered \(rendered.debugDescription), expected \(output.debugDescription)")
    } catch {
      guard output == nil else {
        Issue.record("\(error), expected \(output.debugDescription)")
        return
      }
      #expect(error.isRefusal == (refusal != nil), "\(error)")
      if let refusal { #expect(error.message == refusal) }
    }
  }
}
