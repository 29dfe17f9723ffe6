/// A chat template: the small Jinja program in a checkpoint that writes a conversation as the text its model was
/// trained on.
///
///     let template = try ChatTemplate(source)
///     let prompt = try template.render(
///       [ChatMessage(role: "user", content: "Hello!")], context: ["bos_token": "<s>"])
///
/// Rendering gives what the library `transformers` gives: Jinja in its immutable sandbox with `trim_blocks` and
/// `lstrip_blocks`, loop controls, `generation` blocks, `raise_exception`, `strftime_now` and a `tojson` that escapes
/// nothing more than JSON asks for.
///
/// What differs, where no known template looks: filters work at once rather than when their result is read, `safe` and
/// `escape` return plain texts, whole numbers have 64 bits, and `recursive` loops, `include`, `import`, `extends` and
/// `block` are refused.
///
/// Templates are treated as hostile: they reach nothing but the values passed to them, and fail rather than take more
/// than a bounded time, memory and stack.
public struct ChatTemplate: Sendable {
  private let program: TemplateProgram

  /// Reads the source of a template.
  ///
  /// - Throws: An error that names the line on which the source is not understood.
  public init(_ source: String) throws(ChatTemplateError) {
    let tokens = try ChatTemplate.tokens(of: source)
    var parser = TemplateParser(tokens)
    do {
      program = try parser.parse()
    } catch {
      throw error.at(line: parser.line)
    }
  }

  private static func tokens(of source: String) throws(ChatTemplateError) -> [Token] {
    var lexer: TemplateLexer
    do {
      lexer = try TemplateLexer(source)
    } catch {
      throw error.at(line: 1)
    }
    do {
      return try lexer.readAll()
    } catch {
      throw error.at(line: lexer.line)
    }
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: The conversation, oldest message first.
  ///   - addingGenerationPrompt: Whether the text ends where the assistant's next answer begins.
  ///   - context: What else the template can see: `bos_token`, `eos_token`, `tools`, `enable_thinking` and so on. It
  ///     sees `tools` and `documents` as `none` unless they are here.
  ///   - time: What `strftime_now` prints; by default what the clock shows.
  /// - Throws: An error that names the line and the fault, such as a conversation that the template refuses.
  public func render(
    _ messages: [ChatMessage], addingGenerationPrompt: Bool = true, context: [String: TemplateValue] = [:],
    at time: CalendarTime? = nil
  ) throws(ChatTemplateError) -> String {
    var values: [String: TemplateValue] = ["tools": .null, "documents": .null]
    values.merge(context) { $1 }
    values["messages"] = .array(messages.map(\.value))
    values["add_generation_prompt"] = .bool(addingGenerationPrompt)
    var interpreter: TemplateInterpreter
    do {
      var variables: [TemplateName: Value] = [:]
      for (place, name) in program.names.enumerated() {
        if let value = values[name] { variables[place] = try Value(value) }
      }
      interpreter = TemplateInterpreter(program, variables: variables, clock: time)
    } catch {
      throw error.at(line: 1)
    }
    do {
      try interpreter.run()
    } catch {
      throw error.at(line: interpreter.line)
    }
    return interpreter.output
  }
}
