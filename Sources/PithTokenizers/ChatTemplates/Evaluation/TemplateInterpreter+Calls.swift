/// The functions that every template can call.
enum TemplateFunction: String, Sendable {
  case range
  case dict
  case namespace
  case raiseException = "raise_exception"
  case strftimeNow = "strftime_now"
}

extension TemplateInterpreter {
  mutating func call(_ function: Value, _ arguments: CallArguments) throws(TemplateFault) -> Value {
    switch function {
    case .undefined(let missing): throw TemplateFault(missing.message)
    case .macro(let number):
      return try descend { (run) throws(TemplateFault) in try run.callMacro(number, arguments) }
    case .function(let function): return try call(function, arguments)
    case .method(let receiver, let name): return try callMethod(receiver, name, arguments)
    default: throw TemplateFault("'\(function.typeName)' object cannot be called.")
    }
  }

  private mutating func call(
    _ function: TemplateFunction, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    switch function {
    case .range:
      let values = try arguments.bound("start", "stop", "step", to: "range")
      let first = try values[0].int("range")
      guard values[1] != nil else { return .range(try ValueRange(from: 0, to: first, by: 1)) }
      return .range(
        try ValueRange(from: first, to: try values[1].int("range"), by: try values[2].int("range", or: 1)))
    case .dict: return .dictionary(try dictionary(from: arguments))
    case .namespace:
      namespaces.append(ValueDictionary())
      let number = namespaces.count - 1
      let members = try dictionary(from: arguments)
      for (key, value) in zip(members.keys, members.values) {
        guard case .string(let name) = key else { throw TemplateFault("a namespace needs texts as names.") }
        try setNamespaceAttribute(number, name, value)
      }
      return .namespace(number)
    case .raiseException:
      let message = try arguments.bound("message", to: "raise_exception")[0].required("raise_exception")
      throw TemplateFault(try text(of: message), isRefusal: true)
    case .strftimeNow:
      let pattern = try arguments.bound("format", to: "strftime_now")[0].string("strftime_now")
      guard let now = clock ?? CalendarTime.now() else { throw TemplateFault("this machine has no clock.") }
      try budget.spend(bytes: pattern.utf8.count * 4)
      return .string(now.formatted(pattern))
    }
  }

  /// What `dict(mapping or pairs, name=value)` makes.
  private mutating func dictionary(from arguments: CallArguments) throws(TemplateFault) -> ValueDictionary {
    guard arguments.positional.count < 2 else { throw TemplateFault("'dict' takes at most one value.") }
    var result = ValueDictionary()
    if case .dictionary(let source)? = arguments.positional.first {
      try budget.spend(elements: source.count)
      result = source
    } else if let source = arguments.positional.first {
      try source.checkDefined()
      for pair in try elements(of: source) {
        let parts = try elements(of: pair)
        guard parts.count == 2 else { throw TemplateFault("'dict' needs pairs.") }
        try budget.spend(elements: 1)
        try result.set(try paid(key: parts[0]), to: parts[1])
      }
    }
    for (name, value) in arguments.named { try result.set(name, to: value) }
    return result
  }

  /// Gives the parameters of a macro their values, in its own scope.
  mutating func bind(_ arguments: CallArguments, to macro: TemplateMacro) throws(TemplateFault) {
    var named = arguments.named
    for (index, parameter) in macro.parameters.enumerated() {
      let name = program.names[parameter.name]
      if index < arguments.positional.count {
        assign(parameter.name, arguments.positional[index])
      } else if let place = named.firstIndex(where: { $0.name == name }) {
        assign(parameter.name, named.remove(at: place).value)
      } else if let standard = parameter.standard {
        assign(parameter.name, try evaluate(standard))
      } else {
        assign(parameter.name, .undefined(.other("the parameter '\(name)' was not given.")))
      }
    }
    if macro.specials.contains("caller"), let place = named.firstIndex(where: { $0.name == "caller" }) {
      assignSpecial("caller", named.remove(at: place).value)
    }
    if macro.specials.contains("kwargs") {
      var rest = ValueDictionary()
      for (name, value) in named { try rest.set(name, to: value) }
      assignSpecial("kwargs", .dictionary(rest))
    } else if let extra = named.first {
      throw TemplateFault("the macro '\(macro.name)' takes no argument '\(extra.name)'.")
    }
    let extra = arguments.positional.dropFirst(macro.parameters.count)
    if macro.specials.contains("varargs") {
      assignSpecial("varargs", .tuple(try Items(Array(extra))))
    } else if !extra.isEmpty {
      throw TemplateFault("the macro '\(macro.name)' takes at most \(macro.parameters.count) arguments.")
    }
  }

  private mutating func assignSpecial(_ name: String, _ value: Value) {
    if let place = program.names.firstIndex(of: name) { assign(place, value) }
  }

  // MARK: Methods

  private mutating func callMethod(
    _ receiver: Value, _ name: String, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    switch receiver {
    case .string(let text): return try callStringMethod(text, name, arguments)
    case .dictionary(let dictionary): return try callDictionaryMethod(dictionary, name, arguments)
    case .list(let items), .tuple(let items):
      if name == "copy" { return receiver }
      let wanted = try arguments.bound("value", to: name)[0].required(name)
      var places: [Int] = []
      for (place, element) in items.elements.enumerated() where try element.equals(wanted, &budget) {
        places.append(place)
      }
      if name == "count" { return .int(places.count) }
      guard let first = places.first else { throw TemplateFault("'index' did not find the value.") }
      return .int(first)
    case .loop(let number):
      if name == "changed" { return .bool(try loopChanged(number, arguments.positional)) }
      guard !arguments.positional.isEmpty, let index = loopAttribute(number, "index0")?.asInt else {
        throw TemplateFault("'loop.cycle' needs values to choose from.")
      }
      return arguments.positional[index % arguments.positional.count]
    default: throw TemplateFault("'\(receiver.typeName)' object has no method '\(name)'.")
    }
  }

  private mutating func callDictionaryMethod(
    _ dictionary: ValueDictionary, _ name: String, _ arguments: CallArguments
  ) throws(TemplateFault) -> Value {
    guard name == "get" else {
      _ = try arguments.bound(to: name)
      if name == "copy" { return .dictionary(dictionary) }
      return try view(dictionary, name)
    }
    let values = try arguments.bound("key", "default", to: name)
    return dictionary[try ValueKey(try paid(key: try values[0].required(name)))] ?? values[1] ?? .null
  }

  private mutating func view(_ dictionary: ValueDictionary, _ name: String) throws(TemplateFault) -> Value {
    try budget.spend(elements: dictionary.count)
    switch name {
    case "keys": return .view(.keys, try Items(dictionary.keys))
    case "values": return .view(.values, try Items(dictionary.values))
    default: return .view(.items, try Items(try pairs(of: dictionary)))
    }
  }

  /// The members of a dictionary as tuples.
  mutating func pairs(of dictionary: ValueDictionary) throws(TemplateFault) -> [Value] {
    try budget.spend(elements: 2 * dictionary.count)
    var pairs: [Value] = []
    for (key, value) in zip(dictionary.keys, dictionary.values) {
      pairs.append(.tuple(try Items([key, value])))
    }
    return pairs
  }
}
