import Pith
import PithTestSupport
import Testing

struct ChatSessionTests {
  let template = try! ChatTemplate("{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a: ")

  private func model(chatTemplate: ChatTemplate?) throws -> LanguageModel {
    let plain = try LanguageModel(path: Fixtures.path("gguf/llama.gguf"))
    return LanguageModel(
      decoder: plain.decoder, tokenizer: plain.tokenizer, chatTemplate: chatTemplate,
      endTokens: plain.endTokens,
      pool: plain.pool)
  }

  @Test func aTurnThatContinuesTheCacheAnswersAsOneFromTheStart() throws {
    let model = try model(chatTemplate: template)
    let session = try ChatSession(model)
    for question in ["ab", "b a", "aab"] {
      let answer = try session.say(question, maxTokens: 5, sampling: .greedy) { _ in }
      let told = try template.render(Array(session.messages.dropLast()))
      let fresh: TextStream = model.generate(told, maxTokens: 5, sampling: .greedy)
      #expect(answer == fresh.map { (piece: String) in piece }.joined())
      #expect(session.messages.last == ChatMessage(role: "assistant", content: answer))
    }
  }

  @Test func aModelWithoutATemplateIsRefused() throws {
    let model = try model(chatTemplate: nil)
    #expect(throws: ChatSession.Fault.noTemplate) { try ChatSession(model) }
  }

  @Test func aConversationThatNoLongerFitsIsRefusedAndForgotten() throws {
    let session = try ChatSession(try model(chatTemplate: template), context: 12)
    #expect(throws: ChatSession.Fault.full(context: 12)) {
      try session.say(String(repeating: "ab ", count: 50), maxTokens: 5, sampling: .greedy) { _ in }
    }
    #expect(session.messages.isEmpty)
  }
}
