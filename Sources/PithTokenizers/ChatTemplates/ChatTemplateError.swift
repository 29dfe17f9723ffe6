/// Why a chat template could not be read or rendered, and on which line of its source.
public struct ChatTemplateError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The line of the template, counted from 1, that was being read or rendered.
  public let line: Int

  /// What went wrong; for an error that the template itself raised, its own words.
  public let message: String

  /// Whether the template raised the error itself, with `raise_exception`, to refuse the conversation.
  public let isRefusal: Bool

  /// One sentence that names the line and the fault.
  public var description: String {
    isRefusal
      ? "The chat template refused the conversation on line \(line): \(message)"
      : "The chat template failed on line \(line): \(message)"
  }
}

/// A fault before it is known on which line it happened.
struct TemplateFault: Error {
  let message: String
  var isRefusal = false

  init(_ message: String, isRefusal: Bool = false) {
    self.message = message
    self.isRefusal = isRefusal
  }

  func at(line: Int) -> ChatTemplateError {
    ChatTemplateError(line: line, message: message, isRefusal: isRefusal)
  }
}
