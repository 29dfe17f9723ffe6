import PithJSON

/// The members of a configuration, read with checks: an error names the file, the member and what is wrong with it.
struct Fields {
  let json: JSON
  let path: String

  /// The largest size of anything in a configuration; products of two stay far from overflow.
  static let largest = 1 << 24

  func bad(_ fault: String) -> CheckpointError { .badData(path: path, fault: fault) }

  private func member(_ name: String) -> JSON? {
    json[name].flatMap { $0.isNull ? nil : $0 }
  }

  /// A size from 1 to 2²⁴.
  func size(_ name: String) throws(CheckpointError) -> Int {
    guard let value = try size(optional: name) else { throw bad("'\(name)' is missing") }
    return value
  }

  /// A size from 1 to 2²⁴, or nil where the member is missing or null.
  func size(optional name: String) throws(CheckpointError) -> Int? {
    guard let value = member(name) else { return nil }
    guard let size = value.int, (1...Self.largest).contains(size) else {
      throw bad("'\(name)' must be a whole number from 1 to \(Self.largest)")
    }
    return size
  }

  /// A positive, finite number, or nil where the member is missing or null.
  func number(optional name: String) throws(CheckpointError) -> Float? {
    guard let value = member(name) else { return nil }
    guard let number = value.double.map({ Float($0) }), number.isFinite, number > 0 else {
      throw bad("'\(name)' must be a positive number")
    }
    return number
  }

  /// A positive, finite number.
  func number(_ name: String) throws(CheckpointError) -> Float {
    guard let value = try number(optional: name) else { throw bad("'\(name)' is missing") }
    return value
  }

  /// A truth value, or nil where the member is missing or null.
  func flag(_ name: String) throws(CheckpointError) -> Bool? {
    guard let value = member(name) else { return nil }
    guard let flag = value.bool else { throw bad("'\(name)' must be true or false") }
    return flag
  }

  /// A string, or nil where the member is missing or null.
  func text(_ name: String) throws(CheckpointError) -> String? {
    guard let value = member(name) else { return nil }
    guard let text = value.string else { throw bad("'\(name)' must be a string") }
    return text
  }

  /// An object, or nil where the member is missing or null.
  func object(_ name: String) throws(CheckpointError) -> Fields? {
    guard let value = member(name) else { return nil }
    guard value.kind == .object else { throw bad("'\(name)' must be an object") }
    return Fields(json: value, path: path)
  }

  /// An array of strings, or nil where the member is missing or null.
  func texts(_ name: String) throws(CheckpointError) -> [String]? {
    guard let value = member(name) else { return nil }
    guard let array = value.array else { throw bad("'\(name)' must be an array") }
    var texts: [String] = []
    for element in array {
      guard let text = element.string else { throw bad("'\(name)' must hold strings") }
      texts.append(text)
    }
    return texts
  }

  /// Throws if a member asks for something that Pith does not do.
  func refuse(_ name: String, unless isUnderstood: (JSON) -> Bool) throws(CheckpointError) {
    if let value = member(name), !isUnderstood(value) {
      throw bad("'\(name)' has a value that Pith cannot run; use a model without it")
    }
  }
}
