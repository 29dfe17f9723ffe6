/// The values that a call, a filter or a test is given.
struct CallArguments {
  var positional: [Value] = []
  var named: [(name: String, value: Value)] = []

  /// The arguments in the order of `parameters`; those not given are nil.
  func bound(_ parameters: String..., to function: String) throws(TemplateFault) -> [Value?] {
    guard positional.count <= parameters.count else {
      throw TemplateFault(
        "'\(function)' takes at most \(parameters.count) arguments, not \(positional.count).")
    }
    var values: [Value?] = positional
    values += Array(repeating: nil, count: parameters.count - positional.count)
    for (name, value) in named {
      guard let place = parameters.firstIndex(of: name), values[place] == nil else {
        throw TemplateFault("'\(function)' cannot take the argument '\(name)'.")
      }
      values[place] = value
    }
    return values
  }
}

extension Value? {
  /// The argument as a text.
  func string(_ function: String) throws(TemplateFault) -> String {
    guard case .string(let text)? = self else { throw fault(function, "a text") }
    return text
  }

  /// The argument as a whole number, or `standard` if it is not given.
  func int(_ function: String, or standard: Int? = nil) throws(TemplateFault) -> Int {
    guard let value = self else {
      guard let standard else { throw fault(function, "a whole number") }
      return standard
    }
    guard let number = value.asInt else { throw fault(function, "a whole number") }
    return number
  }

  /// The argument, which must be given.
  func required(_ function: String) throws(TemplateFault) -> Value {
    guard let value = self else { throw fault(function, "one more argument") }
    return value
  }

  /// The argument, or nil if it is not given or is `none`.
  var unlessNull: Value? {
    if case .null? = self { return nil }
    return self
  }

  private func fault(_ function: String, _ wanted: String) -> TemplateFault {
    if case .undefined(let missing)? = self { return TemplateFault(missing.message) }
    return TemplateFault("'\(function)' needs \(wanted), but got '\(self?.typeName ?? "nothing")'.")
  }
}
