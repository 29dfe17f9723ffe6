extension TemplateInterpreter {
  mutating func text(of value: Value) throws(TemplateFault) -> String {
    try ValueWriter.text(of: value, &budget)
  }

  /// The elements that iterating over the value gives; an iterator has none left afterwards.
  mutating func elements(of value: Value) throws(TemplateFault) -> [Value] {
    switch value {
    case .undefined: return []
    case .list(let items), .tuple(let items), .view(_, let items):
      try budget.spend(1 + items.elements.count / 4)
      return items.elements
    case .dictionary(let dictionary): return dictionary.keys
    case .iterator(let number): return drain(number)
    case .range(let range):
      try budget.spend(elements: range.count)
      return (0..<range.count).map { .int(range[$0]) }
    case .string(let text):
      try budget.spend(elements: text.unicodeScalars.count)
      return text.unicodeScalars.map { .string($0.text) }
    default: throw TemplateFault("'\(value.typeName)' object is not iterable.")
    }
  }

  mutating func length(of value: Value) throws(TemplateFault) -> Int {
    switch value {
    case .undefined: return 0
    case .list(let items), .tuple(let items), .view(_, let items): return items.elements.count
    case .dictionary(let dictionary): return dictionary.count
    case .range(let range): return range.count
    case .loop(let number): return loopLength(number)
    case .string(let text):
      try budget.spend(1 + text.utf8.count / 64)
      return text.unicodeScalars.count
    default: throw TemplateFault("'\(value.typeName)' object has no length.")
    }
  }

  /// The value, paid for as a key of a dictionary.
  mutating func paid(key: Value) throws(TemplateFault) -> Value {
    if case .string(let text) = key { try budget.spend(bytes: text.utf8.count) }
    return key
  }

  /// Python's `element in container`.
  mutating func contains(_ container: Value, _ element: Value) throws(TemplateFault) -> Bool {
    switch container {
    case .dictionary(let dictionary): return dictionary[try ValueKey(try paid(key: element))] != nil
    case .string(let text):
      guard case .string(let part) = element else {
        throw TemplateFault("'in' looks for a text in a text, but found '\(element.typeName)'.")
      }
      try budget.spend(1 + text.utf8.count / 16)
      return text.utf8Offset(of: part) != nil
    default:
      for candidate in try elements(of: container) where try candidate.equals(element, &budget) {
        return true
      }
      return false
    }
  }

  // MARK: Attributes and items

  /// `value.name`: the attribute, or else the item.
  mutating func attribute(_ name: String, of value: Value) throws(TemplateFault) -> Value {
    try value.checkDefined()
    if let attribute = ownAttribute(name, of: value) { return attribute }
    if case .dictionary(let dictionary) = value, let item = dictionary[name] { return item }
    return missing(name, in: value)
  }

  /// `value[key]`: the item, or else the attribute.
  mutating func item(_ key: Value, of value: Value) throws(TemplateFault) -> Value {
    try value.checkDefined()
    if case .string(let text) = value { try budget.spend(1 + text.utf8.count / 64) }
    if let item = try ownItem(try paid(key: key), of: value) { return item }
    guard case .string(let name) = key else {
      return .undefined(
        .other("'\(value.typeName)' has no element \(try ValueWriter.representation(of: key, &budget))."))
    }
    return ownAttribute(name, of: value) ?? missing(name, in: value)
  }

  private func missing(_ name: String, in value: Value) -> Value {
    .undefined(.attribute(name, of: "\(value.typeName) object"))
  }

  private func ownItem(_ key: Value, of value: Value) throws(TemplateFault) -> Value? {
    switch value {
    case .dictionary(let dictionary):
      guard let key = try? ValueKey(key) else { return nil }
      return dictionary[key]
    case .list(let items), .tuple(let items):
      return place(key, count: items.elements.count).map { items.elements[$0] }
    case .range(let range): return place(key, count: range.count).map { .int(range[$0]) }
    case .string(let text):
      guard let wanted = key.asInt else { return nil }
      let scalars = text.unicodeScalars
      let start = wanted >= 0 ? scalars.startIndex : scalars.endIndex
      let limit = wanted >= 0 ? scalars.endIndex : scalars.startIndex
      guard let index = scalars.index(start, offsetBy: wanted, limitedBy: limit), index < scalars.endIndex
      else { return nil }
      return .string(scalars[index].text)
    default: return nil
    }
  }

  /// The index that a key means in a sequence, counted from the end if negative.
  private func place(_ key: Value, count: Int) -> Int? {
    guard let index = key.asInt else { return nil }
    let place = index < 0 ? index &+ count : index
    return (0..<count).contains(place) ? place : nil
  }

  private func ownAttribute(_ name: String, of value: Value) -> Value? {
    switch value {
    case .namespace(let number): return namespaces[number][name]
    case .loop(let number):
      return loopAttribute(number, name)
        ?? (["cycle", "changed"].contains(name) ? .method(value, name) : nil)
    case .macro(let number): return name == "name" ? .string(macro(number).name) : nil
    case .dictionary:
      if ["get", "items", "keys", "values", "copy"].contains(name) { return .method(value, name) }
      return refused(["clear", "pop", "popitem", "setdefault", "update"], name)
    case .list:
      if ["index", "count", "copy"].contains(name) { return .method(value, name) }
      return refused(["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"], name)
    case .tuple: return ["index", "count"].contains(name) ? .method(value, name) : nil
    case .string: return TemplateStringMethods.names.contains(name) ? .method(value, name) : nil
    default: return nil
    }
  }

  /// Methods that would change their receiver are out of reach.
  private func refused(_ names: Set<String>, _ name: String) -> Value? {
    names.contains(name) ? .undefined(.other("templates must not call the method '\(name)'.")) : nil
  }

  // MARK: Slices

  /// `value[lower:upper:step]`, with Python's bounds.
  mutating func slice(
    _ value: Value, from lower: Int?, to upper: Int?, by step: Int
  ) throws(TemplateFault) -> Value {
    switch value {
    case .list(let items):
      return .list(try Items(try picked(items.elements, lower, upper, step)))
    case .tuple(let items):
      return .tuple(try Items(try picked(items.elements, lower, upper, step)))
    case .range: return .list(try Items(try picked(try elements(of: value), lower, upper, step)))
    case .string(let text):
      try budget.spend(bytes: text.utf8.count)
      return .string(String(try picked(Array(text.unicodeScalars), lower, upper, step, price: 0)))
    default: throw TemplateFault("'\(value.typeName)' object cannot be sliced.")
    }
  }

  private mutating func picked<Element>(
    _ elements: [Element], _ lower: Int?, _ upper: Int?, _ step: Int, price: Int = 4
  ) throws(TemplateFault) -> [Element] {
    guard step != 0, step != .min else { throw TemplateFault("the step of a slice must not be zero.") }
    let count = elements.count
    let (lowest, highest) = step > 0 ? (0, count) : (-1, count - 1)
    func bound(_ bound: Int?, _ standard: Int) -> Int {
      guard let bound else { return standard }
      return min(max(bound < 0 ? bound + count : bound, lowest), highest)
    }
    let start = bound(lower, step > 0 ? lowest : highest)
    let end = bound(upper, step > 0 ? highest : lowest)
    // A step beyond both ends picks what a step of the whole length does.
    let stride = Swift.stride(from: start, to: end, by: min(max(step, -count - 1), count + 1))
    try budget.spend(stride.underestimatedCount * price)
    return stride.map { elements[$0] }
  }
}
