/// A value while a template runs: what Python would hold there.
///
/// Whatever has an identity (namespaces, loops, macros, iterators) lives in the interpreter and is named here by its
/// number, so that values never form cycles and are freed without deep recursion.
enum Value: Sendable {
  case undefined(Missing)
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case list(Items)
  case tuple(Items)
  case dictionary(ValueDictionary)
  /// What `keys()`, `values()` and `items()` of a dictionary return.
  case view(View, Items)
  case range(ValueRange)
  /// An iterator, such as many filters return: it can be read once.
  case iterator(Int)
  case namespace(Int)
  case loop(Int)
  case macro(Int)
  case function(TemplateFunction)
  /// A method of a value, not yet called.
  indirect case method(Value, String)

  enum View: String { case keys, values, items }
}

/// Why a value is undefined, for the error that its use raises.
enum Missing: Sendable {
  case name(String)
  case attribute(String, of: String)
  case other(String)

  var message: String {
    switch self {
    case .name(let name): "'\(name)' is undefined."
    case .attribute(let name, let owner): "'\(owner)' has no attribute '\(name)'."
    case .other(let message): message
    }
  }
}

/// The elements of a list, and how deep it is nested.
struct Items: Sendable {
  let elements: [Value]
  let depth: Int

  init(_ elements: [Value]) throws(TemplateFault) {
    self.elements = elements
    depth = 1 + elements.reduce(0) { max($0, $1.depth) }
    try checkDepth(depth)
  }
}

private func checkDepth(_ depth: Int) throws(TemplateFault) {
  guard depth <= TemplateLimits.valueNesting else {
    throw TemplateFault("a value is nested more than \(TemplateLimits.valueNesting) levels deep.")
  }
}

/// The numbers from `start` in steps of `step`.
struct ValueRange: Sendable {
  let start: Int
  let stop: Int
  let step: Int
  let count: Int

  init(from start: Int, to stop: Int, by step: Int) throws(TemplateFault) {
    guard step != 0 else { throw TemplateFault("the step of a range must not be zero.") }
    let limit = 1 << 53
    guard abs(Double(start)) < Double(limit), abs(Double(stop)) < Double(limit), step.magnitude < UInt(limit)
    else { throw TemplateFault("a bound of a range is too large.") }
    let distance = step > 0 ? stop - start : start - stop
    let stride = abs(step)
    count = distance <= 0 ? 0 : (distance + stride - 1) / stride
    guard count <= TemplateLimits.rangeCount else {
      throw TemplateFault("a range has more than \(TemplateLimits.rangeCount) elements.")
    }
    self.start = start
    self.stop = stop
    self.step = step
  }

  subscript(index: Int) -> Int { start + index * step }
}

/// A dictionary that keeps the order in which its keys came.
struct ValueDictionary: Sendable {
  private(set) var keys: [Value] = []
  private(set) var values: [Value] = []
  private(set) var depth = 1
  private var places: [ValueKey: Int] = [:]

  var count: Int { keys.count }

  subscript(key: ValueKey) -> Value? { places[key].map { values[$0] } }

  subscript(name: String) -> Value? { self[.text(name)] }

  mutating func set(_ key: Value, to value: Value) throws(TemplateFault) {
    depth = max(depth, 1 + value.depth, 1 + key.depth)
    try checkDepth(depth)
    let place = try ValueKey(key)
    if let index = places[place] {
      values[index] = value
    } else {
      places[place] = keys.count
      keys.append(key)
      values.append(value)
    }
  }

  mutating func set(_ name: String, to value: Value) throws(TemplateFault) {
    try set(.string(name), to: value)
  }
}

/// What makes two keys of a dictionary the same key.
enum ValueKey: Hashable {
  case null
  case undefined
  case integer(Int)
  case double(Double)
  case bytes([UInt8])
  case tuple([ValueKey])

  static func text(_ text: String) -> ValueKey { .bytes(Array(text.utf8)) }

  init(_ value: Value) throws(TemplateFault) {
    switch value {
    case .null: self = .null
    case .undefined: self = .undefined
    case .bool(let value): self = .integer(value ? 1 : 0)
    case .int(let value): self = .integer(value)
    case .double(let value):
      if let whole = Int(exactly: value) { self = .integer(whole) } else { self = .double(value) }
    case .string(let value): self = .text(value)
    case .tuple(let items):
      guard items.depth == 1 else { throw TemplateFault("a key cannot be a tuple that holds other values.") }
      var keys: [ValueKey] = []
      for element in items.elements { keys.append(try ValueKey(element)) }
      self = .tuple(keys)
    default: throw TemplateFault("unhashable type: '\(value.typeName)'.")
    }
  }
}

extension Value {
  static let emptyText = Value.string("")

  /// How deep the value is nested: a text or a number is 0.
  var depth: Int {
    switch self {
    case .list(let items), .tuple(let items), .view(_, let items): items.depth
    case .dictionary(let dictionary): dictionary.depth
    case .method(let receiver, _): receiver.depth
    default: 0
    }
  }

  /// What Python calls the type of the value.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .null: "NoneType"
    case .bool: "bool"
    case .int: "int"
    case .double: "float"
    case .string: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .dictionary: "dict"
    case .view(let kind, _): "dict_\(kind.rawValue)"
    case .range: "range"
    case .iterator: "generator"
    case .namespace: "Namespace"
    case .loop: "LoopContext"
    case .macro: "Macro"
    case .function, .method: "function"
    }
  }

  /// The value as a whole number, if it is one; Python takes truth values for 0 and 1.
  var asInt: Int? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .int(let value): value
    default: nil
    }
  }

  var asDouble: Double? {
    if case .double(let value) = self { return value }
    return asInt.map(Double.init)
  }

  /// Whether Python takes the value for true.
  var isTrue: Bool {
    switch self {
    case .undefined, .null: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .double(let value): value != 0
    case .string(let value): !value.isEmpty
    case .list(let items), .tuple(let items), .view(_, let items): !items.elements.isEmpty
    case .dictionary(let dictionary): dictionary.count > 0
    case .range(let range): range.count > 0
    case .loop, .iterator, .namespace, .macro, .function, .method: true
    }
  }

  var isUndefined: Bool {
    if case .undefined = self { return true }
    return false
  }

  var isCallable: Bool {
    switch self {
    case .macro, .function, .method: true
    case .undefined: true
    default: false
    }
  }

  /// Fails if the value is undefined: nearly every use of one does.
  func checkDefined() throws(TemplateFault) {
    if case .undefined(let missing) = self { throw TemplateFault(missing.message) }
  }

  /// The value of a context, or a fault if it is nested too deep.
  init(_ value: TemplateValue, depth: Int = 0) throws(TemplateFault) {
    guard depth < TemplateLimits.valueNesting else {
      throw TemplateFault("a value is nested more than \(TemplateLimits.valueNesting) levels deep.")
    }
    switch value {
    case .null: self = .null
    case .bool(let value): self = .bool(value)
    case .int(let value): self = .int(value)
    case .double(let value): self = .double(value)
    case .string(let value): self = .string(value)
    case .array(let elements):
      var items: [Value] = []
      items.reserveCapacity(elements.count)
      for element in elements { items.append(try Value(element, depth: depth + 1)) }
      self = .list(try Items(items))
    case .object(let members):
      var dictionary = ValueDictionary()
      for member in members {
        try dictionary.set(member.name, to: try Value(member.value, depth: depth + 1))
      }
      self = .dictionary(dictionary)
    }
  }
}
