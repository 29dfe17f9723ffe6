/// The keys of a GGUF file with their values, in the file's order.
public struct GGUFMetadata: Sendable {
  /// The keys, in the file's order; each occurs once.
  public private(set) var keys: [String] = []
  private var values: [String: GGUFValue] = [:]

  /// No keys.
  public init() {}

  /// The value of a key.
  public subscript(key: String) -> GGUFValue? { values[key] }

  /// Gives a key its value; returns false, changing nothing, if it already has one.
  @discardableResult
  public mutating func insert(_ key: String, _ value: GGUFValue) -> Bool {
    if values[key] != nil { return false }
    values[key] = value
    keys.append(key)
    return true
  }
}
