/// What is wrong with a tokenizer's description, in one sentence with the mend.
public struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  /// A fault, told in one sentence that names it and the mend.
  public init(_ description: String) { self.description = description }
}
