import PithModels
import PithTokenizers

/// A conversation with a model. What was said stays in the key-value cache, so that each turn reads only what is new.
public final class ChatSession {
  private let model: LanguageModel
  private let template: ChatTemplate
  private let cache: KeyValueCache
  private var seen: [Int32] = []

  /// What was said so far.
  public private(set) var messages: [ChatMessage]

  /// Why a turn could not be taken.
  public enum Fault: Error, Equatable {
    /// The model has no chat template.
    case noTemplate
    /// The conversation no longer fits the context of this many tokens.
    case full(context: Int)
  }

  /// A conversation.
  ///
  /// - Parameters:
  ///   - system: what the model is told beforehand.
  ///   - context: the most tokens that the conversation can have, at most what the model was trained for.
  /// - Throws: `Fault.noTemplate`.
  public init(_ model: LanguageModel, system: String? = nil, context: Int = 8192) throws(Fault) {
    guard let template = model.chatTemplate else { throw .noTemplate }
    self.model = model
    self.template = template
    let trained = model.decoder.configuration.contextLength
    cache = KeyValueCache(model.decoder.configuration, capacity: min(context, trained))
    messages = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
  }

  /// Says something and passes on the answer piece by piece.
  ///
  /// - Returns: the whole answer.
  /// - Throws: `Fault.full`, `ChatTemplateError`.
  @discardableResult
  public func say(
    _ text: String, maxTokens: Int = 512, sampling: Sampling = Sampling(), onPiece: (String) -> Void
  ) throws -> String {
    messages.append(ChatMessage(role: "user", content: text))
    let tokens: [Int32]
    do {
      tokens = model.tokenizer.encode(
        try template.render(messages, context: model.templateContext), addingSpecialTokens: false)
    } catch {
      messages.removeLast()
      throw error
    }
    guard tokens.count < cache.capacity else {
      messages.removeLast()
      throw Fault.full(context: cache.capacity)
    }
    // At least the last token goes through the model, for its logits.
    let known = min(zip(tokens, seen).prefix { $0 == $1 }.count, tokens.count - 1)
    cache.truncate(0, to: known)
    seen = tokens
    var generator = TokenGenerator(
      model.decoder, prompt: Array(tokens[known...]), cache: cache, sampling: sampling, pool: model.pool)
    var decoder = model.tokenizer.makeStreamingDecoder()
    var answer = ""
    func pass(_ piece: String) {
      guard !piece.isEmpty else { return }
      answer += piece
      onPiece(piece)
    }
    for _ in 0..<maxTokens {
      guard let token = generator.next(), !model.endTokens.contains(token) else { break }
      seen.append(token)
      pass(decoder.append(token))
    }
    pass(decoder.finish())
    // The last drawn token has not been through the model.
    seen = Array(seen.prefix(cache.lengths[0]))
    messages.append(ChatMessage(role: "assistant", content: answer))
    return answer
  }
}

extension LanguageModel {
  /// What chat templates may ask for beside the messages.
  var templateContext: [String: TemplateValue] {
    var context: [String: TemplateValue] = [:]
    if let id = tokenizer.beginningOfText, let token = tokenizer.token(id) {
      context["bos_token"] = .string(token)
    }
    if let id = tokenizer.endOfText, let token = tokenizer.token(id) { context["eos_token"] = .string(token) }
    return context
  }
}
