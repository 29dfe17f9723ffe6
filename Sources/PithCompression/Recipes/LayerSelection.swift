import PithModels

/// Which matrices a step applies to: those that fit everything that is given.
public struct LayerSelection: Sendable, Equatable {
  /// The roles of matrices in layers.
  static let layerRoles: Set<Place.Role> = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

  /// What matrices do; the seven of a layer where a recipe says nothing.
  public var roles: Set<Place.Role>

  /// Patterns of names, in which * stands for any run of characters; nil for all.
  public var names: [String]?

  /// Layers, from 0; nil for all.
  public var indices: [ClosedRange<Int>]?

  /// A selection.
  public init(roles: Set<Place.Role>? = nil, names: [String]? = nil, indices: [ClosedRange<Int>]? = nil) {
    self.roles = roles ?? Self.layerRoles
    self.names = names
    self.indices = indices
  }

  /// Whether a matrix is selected.
  public func contains(_ place: Place, name: String) -> Bool {
    guard roles.contains(place.role) else { return false }
    if let names, !names.contains(where: { Self.matches(Array(name.utf8)[...], Array($0.utf8)[...]) }) {
      return false
    }
    if let indices {
      guard let layer = place.layer, indices.contains(where: { $0.contains(layer) }) else { return false }
    }
    return true
  }

  /// The selection in words.
  var description: String {
    var parts: [String] = []
    if roles != Self.layerRoles {
      parts.append("roles \(roles.map(\.rawValue).sorted().joined(separator: ", "))")
    }
    if let names { parts.append("names \(names.joined(separator: ", "))") }
    if let indices { parts.append("indices \(Self.text(of: indices))") }
    return parts.isEmpty ? "all layers" : parts.joined(separator: "; ")
  }

  /// Ranges as recipes write them: `0-3, 7`.
  static func text(of indices: [ClosedRange<Int>]) -> String {
    indices.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(
      separator: ", ")
  }

  /// Ranges from `0-3, 7`; nil if the text is none.
  static func indices(_ text: String) -> [ClosedRange<Int>]? {
    var ranges: [ClosedRange<Int>] = []
    for part in text.split(separator: ",") {
      let bounds = part.split(separator: "-", omittingEmptySubsequences: false).map {
        Int($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed().map(String.init).joined())
      }
      guard let low = bounds[0], bounds.count <= 2, let high = bounds.count == 2 ? bounds[1] : low, low >= 0,
        low <= high
      else { return nil }
      ranges.append(low...high)
    }
    return ranges.isEmpty ? nil : ranges
  }

  private static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    let rest = pattern.dropFirst()
    if first == UInt8(ascii: "*") {
      return (name.startIndex...name.endIndex).contains { matches(name[$0...], rest) }
    }
    return name.first == first && matches(name.dropFirst(), rest)
  }
}
