extension TemplateInterpreter {
  mutating func sequenceFilter(
    _ name: String, _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    switch name {
    case "join": return .string(try joinFilter(value, arguments))
    case "batch": return try batch(value, arguments)
    case "dictsort": return try dictionarySorted(value, arguments)
    case "attr":
      let attribute = try arguments.bound("name", to: name)[0].string(name)
      if case .dictionary(let dictionary) = value, dictionary[attribute] != nil {
        return .undefined(.attribute(attribute, of: "dict object"))
      }
      return try self.attribute(attribute, of: value)
    default: break
    }
    guard ["length", "count", "first", "last", "list", "reverse", "items"].contains(name) else {
      throw TemplateFault("there is no filter called '\(name)'.")
    }
    _ = try arguments.bound(to: name)
    switch (name, value) {
    case ("length", _), ("count", _): return .int(try length(of: value))
    case ("first", .iterator(let number)):
      return try next(number) ?? .undefined(.other("there is no first item."))
    case ("first", _): return try elements(of: value).first ?? .undefined(.other("there is no first item."))
    case ("last", .iterator): throw TemplateFault("the last item of an iterator cannot be told.")
    case ("last", _): return try elements(of: value).last ?? .undefined(.other("there is no last item."))
    case ("list", _):
      let items = try elements(of: value)
      try budget.spend(elements: items.count)
      return .list(try Items(items))
    case ("reverse", .string(let text)):
      try budget.spend(bytes: text.utf8.count)
      return .string(String(text.unicodeScalars.reversed()))
    case ("reverse", .iterator(let number)): return .list(try Items(drain(number).reversed()))
    case ("reverse", _): return try iterator(try elements(of: value).reversed())
    case ("items", .undefined): return try iterator([])
    case ("items", .dictionary(let dictionary)): return try iterator(try pairs(of: dictionary))
    default: throw TemplateFault("'items' needs a dictionary, but got '\(value.typeName)'.")
    }
  }

  private mutating func joinFilter(_ value: Value, _ arguments: CallArguments) throws(TemplateFault) -> String
  {
    let values = try arguments.bound("d", "attribute", to: "join")
    let separator = try text(of: values[0] ?? .emptyText)
    var texts: [Value] = []
    for element in try elements(of: value) {
      let part = try values[1].unlessNull.map { (path) throws(TemplateFault) in try member(path, of: element)
      }
      texts.append(.string(try text(of: part ?? element)))
    }
    try budget.spend(elements: texts.count)
    return try joined(.list(try Items(texts)), separator)
  }

  private mutating func batch(_ value: Value, _ arguments: CallArguments) throws(TemplateFault) -> Value {
    let values = try arguments.bound("linecount", "fill_with", to: "batch")
    let size = try values[0].int("batch")
    guard size > 0 else { throw TemplateFault("'batch' needs a size above zero.") }
    let items = try elements(of: value)
    var batches: [Value] = []
    for start in stride(from: 0, to: items.count, by: size) {
      var batch = Array(items[start..<min(start + min(size, items.count), items.count)])
      if let filler = values[1].unlessNull, batch.count < size {
        try budget.spend(elements: size)
        batch += Array(repeating: filler, count: size - batch.count)
      }
      batches.append(.list(try Items(batch)))
    }
    return try iterator(batches)
  }

  private mutating func dictionarySorted(
    _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    let values = try arguments.bound("case_sensitive", "by", "reverse", to: "dictsort")
    guard case .dictionary(let dictionary) = value else {
      try value.checkDefined()
      throw TemplateFault("'dictsort' needs a dictionary, but got '\(value.typeName)'.")
    }
    let by = values[1] ?? .string("key")
    guard case .string(let side) = by, side == "key" || side == "value" else {
      throw TemplateFault("'dictsort' sorts by 'key' or by 'value'.")
    }
    let isCaseSensitive = values[0]?.isTrue ?? false
    let pairs = try pairs(of: dictionary)
    var keyed: [(key: Value, value: Value)] = []
    for (index, pair) in pairs.enumerated() {
      let key = side == "key" ? dictionary.keys[index] : dictionary.values[index]
      keyed.append((isCaseSensitive ? key : try paid(key: key).withoutCase, pair))
    }
    let descending = values[2]?.isTrue ?? false
    return .list(try Items(try Value.sorted(keyed, descending: descending, &budget)))
  }

  // MARK: Filters that look into each element

  /// The member of an element that a path such as `function.name` or `0` leads to.
  private mutating func member(_ path: Value, of element: Value) throws(TemplateFault) -> Value {
    guard case .string(let text) = try paid(key: path) else { return try item(path, of: element) }
    var value = element
    for part in text.split(separator: ".", omittingEmptySubsequences: false) {
      try budget.spend()
      let index = part.allSatisfy(\.isASCII) && part.allSatisfy(\.isNumber) ? Int(part) : nil
      value = try item(index.map(Value.int) ?? .string(String(part)), of: value)
    }
    return value
  }

  mutating func elementFilter(
    _ name: String, _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    switch name {
    case "map": return try mapped(value, arguments)
    case "select", "reject", "selectattr", "rejectattr": return try selected(name, value, arguments)
    case "sum":
      let values = try arguments.bound("attribute", "start", to: name)
      var sum = values[1] ?? .int(0)
      for element in try elements(of: value) {
        let part = try values[0].unlessNull.map { (path) throws(TemplateFault) in
          try member(path, of: element)
        }
        sum = try calculate(sum, .add, part ?? element)
      }
      return sum
    case "sort":
      let values = try arguments.bound("reverse", "case_sensitive", "attribute", to: name)
      let keyed = try keyed(value, values[2], isCaseSensitive: values[1], allowsSeveral: true)
      let descending = values[0]?.isTrue ?? false
      return .list(try Items(try Value.sorted(keyed, descending: descending, &budget)))
    default:
      let values = try arguments.bound("case_sensitive", "attribute", to: name)
      let keyed = try keyed(value, values[1], isCaseSensitive: values[0], allowsSeveral: false)
      return name == "unique"
        ? try unique(keyed) : try extreme(keyed, wanted: name == "min" ? .before : .after)
    }
  }

  private mutating func unique(_ keyed: [(key: Value, value: Value)]) throws(TemplateFault) -> Value {
    var seen: Set<ValueKey> = []
    var kept: [Value] = []
    for (key, element) in keyed where seen.insert(try ValueKey(try paid(key: key))).inserted {
      kept.append(element)
    }
    return try iterator(kept)
  }

  private mutating func extreme(
    _ keyed: [(key: Value, value: Value)], wanted: Value.Order
  ) throws(TemplateFault) -> Value {
    guard var best = keyed.first else { return .undefined(.other("there is no item to choose.")) }
    for candidate in keyed.dropFirst() where try candidate.key.order(best.key, &budget) == wanted {
      best = candidate
    }
    return best.value
  }

  /// The elements, each with what it is compared by.
  private mutating func keyed(
    _ value: Value, _ attribute: Value?, isCaseSensitive: Value?, allowsSeveral: Bool
  ) throws(TemplateFault) -> [(key: Value, value: Value)] {
    let isCaseSensitive = isCaseSensitive?.isTrue ?? false
    var paths: [Value] = []
    if let path = attribute.unlessNull {
      paths = [path]
      if allowsSeveral, case .string(let text) = path {
        paths = text.split(separator: ",", omittingEmptySubsequences: false).map { .string(String($0)) }
      }
    }
    var keyed: [(key: Value, value: Value)] = []
    for element in try elements(of: value) {
      var keys: [Value] = []
      for path in paths { keys.append(try member(path, of: element)) }
      if paths.isEmpty { keys = [element] }
      if !isCaseSensitive {
        keys = try keys.map { (key) throws(TemplateFault) in try paid(key: key).withoutCase }
      }
      keyed.append((keys.count == 1 ? keys[0] : .list(try Items(keys)), element))
    }
    try budget.spend(elements: keyed.count)
    return keyed
  }

  private mutating func mapped(_ value: Value, _ arguments: CallArguments) throws(TemplateFault) -> Value {
    // As in Jinja, whatever counts as false has no elements, even if it cannot have any.
    guard value.isTrue else { return try iterator([]) }
    var results: [Value] = []
    if let name = arguments.positional.first {
      let rest = CallArguments(positional: Array(arguments.positional.dropFirst()), named: arguments.named)
      let filterName = try Optional(name).string("map")
      for element in try elements(of: value) { results.append(try filter(filterName, element, rest)) }
    } else {
      let values = try arguments.bound("attribute", "default", to: "map")
      let path = try values[0].required("map")
      for element in try elements(of: value) {
        let member = try self.member(path, of: element)
        results.append(member.isUndefined ? values[1].unlessNull ?? member : member)
      }
    }
    return try iterator(results)
  }

  private mutating func selected(
    _ name: String, _ value: Value, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    guard value.isTrue else { return try iterator([]) }
    var rest = arguments.positional[...]
    var path: Value?
    if name.hasSuffix("attr") {
      guard let first = rest.popFirst() else {
        throw TemplateFault("'\(name)' needs the name of an attribute.")
      }
      path = first
    }
    let testName = try rest.popFirst().map { (value) throws(TemplateFault) in try Optional(value).string(name)
    }
    let testArguments = CallArguments(positional: Array(rest), named: arguments.named)
    let keeps = name.hasPrefix("select")
    var kept: [Value] = []
    for element in try elements(of: value) {
      let subject = try path.map { (path) throws(TemplateFault) in try member(path, of: element) } ?? element
      let answer: Bool
      if let testName { answer = try test(testName, subject, testArguments) } else { answer = subject.isTrue }
      if answer == keeps { kept.append(element) }
    }
    return try iterator(kept)
  }
}

extension Value {
  /// A text in lower case, any other value as it is: what sorting compares unless asked otherwise.
  fileprivate var withoutCase: Value {
    if case .string(let text) = self { return .string(text.pythonLower) }
    return self
  }
}
