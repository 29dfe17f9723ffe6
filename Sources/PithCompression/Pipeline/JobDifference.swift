import PithJSON

/// Where two jobs differ, as `calibration seed: 3, was 0`: member by member, the first few.
enum JobDifference {
  /// The most differences that are named.
  private static let most = 3

  /// The differences in words, separated by semicolons; nil if there are none.
  static func text(_ now: JSONValue, _ before: JSONValue) -> String? {
    let all = differences(now, before, at: "")
    guard !all.isEmpty else { return nil }
    let more = all.count > most ? ["and \(all.count - most) more"] : []
    return (all.prefix(most) + more).joined(separator: "; ")
  }

  private static func differences(_ now: JSONValue, _ before: JSONValue, at place: String) -> [String] {
    switch (now, before) {
    case (.object(let a), .object(let b)):
      let names = a.map(\.name) + b.map(\.name).filter { now[$0] == nil }
      return names.flatMap { name in
        differences(now[name] ?? .null, before[name] ?? .null, at: place.isEmpty ? name : "\(place) \(name)")
      }
    case (.array(let a), .array(let b)) where a.count == b.count:
      return a.indices.flatMap { differences(a[$0], b[$0], at: "\(place) \($0 + 1)") }
    default:
      return now.text() == before.text() ? [] : ["\(place): \(shown(now)), was \(shown(before))"]
    }
  }

  /// A value in a few characters.
  private static func shown(_ value: JSONValue) -> String {
    let text: String
    switch value {
    case .null: text = "none"
    case .string(let string): text = string
    default: text = value.text()
    }
    return text.count > 24 ? text.prefix(16) + "…" : text
  }
}
