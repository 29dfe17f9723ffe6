/// What is wrong with a JSON document, and where.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The byte offset in the document at which the fault was found.
  public let offset: Int
  /// One sentence that names the fault.
  public let message: String

  /// A fault at `offset`, told in one sentence.
  public init(offset: Int, message: String) {
    self.offset = offset
    self.message = message
  }

  /// The sentence together with the place.
  public var description: String { "JSON, byte \(offset): \(message)" }
}
