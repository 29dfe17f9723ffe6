/// A JSON value under construction, to be written.
///
///     let config: JSONValue = ["hidden_size": 576, "tie_word_embeddings": true, "rope_theta": 100_000.0]
///     let bytes = config.serialized(.pretty)
///
/// Members keep the order in which they were given. A document that was read becomes one with
/// ``init(_:)``, to change a few members and write it back.
public enum JSONValue: Sendable {
  /// The word `null`.
  case null
  /// The words `true` and `false`.
  case bool(Bool)
  /// A whole number.
  case int(Int)
  /// A number; written with the fewest digits that read back to the same double, and as `null` when not
  /// finite, since JSON has no word for that.
  case double(Double)
  /// A string.
  case string(String)
  /// A sequence of values.
  case array([JSONValue])
  /// Names with values, in order; the names must differ.
  case object([Member])

  /// A name and its value.
  public struct Member: Sendable {
    /// The name.
    public var name: String
    /// The value.
    public var value: JSONValue

    /// A name with its value.
    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  /// A copy of a value that was read.
  ///
  /// A number that fits neither `Int` nor `Double` becomes infinite, hence `null` when written.
  public init(_ json: JSON) {
    switch json.kind {
    case .null: self = .null
    case .bool: self = .bool(json.bool ?? false)
    case .number:
      if !json.isWrittenAsFraction, let int = json.int {
        self = .int(int)
      } else {
        self = .double(json.double ?? .infinity)
      }
    case .string: self = .string(json.string ?? "")
    case .array: self = .array((json.array ?? .empty).map(JSONValue.init))
    case .object: self = .object((json.object ?? .empty).map { Member($0.key, JSONValue($0.value)) })
    }
  }

  /// The value of the member with exactly this name; setting replaces, appends, or (with nil) removes it.
  ///
  /// Setting a member of something that is no object makes it an object.
  public subscript(name: String) -> JSONValue? {
    get {
      guard case .object(let members) = self else { return nil }
      return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }
    set {
      var members: [Member] = []
      if case .object(let existing) = self { members = existing }
      let position = members.firstIndex { $0.name.utf8.elementsEqual(name.utf8) }
      switch (position, newValue) {
      case (let position?, let value?): members[position].value = value
      case (let position?, nil): members.remove(at: position)
      case (nil, let value?): members.append(Member(name, value))
      case (nil, nil): break
      }
      self = .object(members)
    }
  }
}

extension JSON {
  /// Whether the number is written with a fraction or an exponent.
  var isWrittenAsFraction: Bool {
    withRaw { $0.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") } }
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  /// The word `null`.
  public init(nilLiteral: ()) { self = .null }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .int(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .double(value) }
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A sequence of values.
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// Names with values, in the order written.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { Member($0.0, $0.1) })
  }
}
