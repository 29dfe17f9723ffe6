/// A value that a chat template can see: what JSON can say, with the members of an object in their order.
///
/// A name that is not passed to a template, or a member that an object lacks, is what Jinja calls undefined; there
/// is no value for it here.
///
///     let tool: TemplateValue = ["name": "search", "parameters": ["type": "object"]]
public indirect enum TemplateValue: Sendable, Hashable {
  /// Python's `None`, JSON's `null`.
  case null
  /// A truth value.
  case bool(Bool)
  /// A whole number.
  case int(Int)
  /// A floating-point number.
  case double(Double)
  /// A text.
  case string(String)
  /// A list.
  case array([TemplateValue])
  /// An object, with its members in the order in which a template sees them. Of two members with one name the
  /// last counts.
  case object([Member])

  /// A named value in an object.
  public struct Member: Sendable, Hashable {
    /// The name.
    public var name: String
    /// The value.
    public var value: TemplateValue

    /// A member called `name` that holds `value`.
    public init(_ name: String, _ value: TemplateValue) {
      self.name = name
      self.value = value
    }
  }
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// A text.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .int(value) }
  /// A floating-point number.
  public init(floatLiteral value: Double) { self = .double(value) }
  /// A list.
  public init(arrayLiteral elements: TemplateValue...) { self = .array(elements) }
  /// An object with its members in the written order.
  public init(dictionaryLiteral elements: (String, TemplateValue)...) {
    self = .object(elements.map { Member($0, $1) })
  }
}
