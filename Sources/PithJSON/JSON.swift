/// A value in a parsed JSON document.
///
///     let config = try JSON(parsing: bytes)
///     let layers = config["num_hidden_layers"]?.int
///     for member in config["rope_scaling"]?.object ?? .empty { print(member.key, member.value.kind) }
///
/// Parsing is strict RFC 8259 and stricter where two readers could disagree: a name that occurs twice in an
/// object, a surrogate escape that stands alone, and bytes that are not UTF-8 are errors. Nesting is limited
/// to 128 levels and a document to 256 MiB.
///
/// The parser leaves a flat tape of eight bytes per value beside the document's own bytes; a `JSON` is a
/// reference to that pair and an index, cheap to copy. Strings and numbers are decoded when asked for. Names
/// are compared by their bytes, never by `String`'s canonical equivalence, and keep the document's order.
public struct JSON: Sendable {
  let document: Document
  let index: Int

  init(document: Document, index: Int) {
    self.document = document
    self.index = index
  }

  /// Parses a document of UTF-8 bytes; throws where it is not valid.
  ///
  /// - Complexity: O(*n*) time; the tape takes at most eight bytes for each value in the document.
  public init(parsing bytes: [UInt8]) throws(JSONError) {
    let tape = try bytes.withUnsafeBufferPointer { (source) throws(JSONError) in
      var parser = Parser(source)
      try parser.parseDocument()
      return parser.tape
    }
    self.init(document: Document(bytes: bytes, tape: tape), index: 0)
  }

  /// Parses a document held in memory, which is copied; throws where it is not valid.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
    try self.init(parsing: [UInt8](bytes))
  }

  /// Parses a document held in a string; throws where it is not valid.
  public init(parsing text: String) throws(JSONError) {
    try self.init(parsing: [UInt8](text.utf8))
  }

  /// What a JSON value can be.
  public enum Kind: Sendable, Hashable {
    /// The word `null`.
    case null
    /// The words `true` and `false`.
    case bool
    /// A number, of any size and precision.
    case number
    /// A string.
    case string
    /// A sequence of values.
    case array
    /// A sequence of names with values.
    case object
  }

  var node: Node { document.tape[index] }

  /// What this value is.
  public var kind: Kind {
    switch node.kind {
    case .null: .null
    case .true, .false: .bool
    case .number: .number
    case .plainString, .escapedString: .string
    case .array: .array
    case .object: .object
    }
  }
}
