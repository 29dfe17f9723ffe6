import Foundation
import PithJSON

/// Which share of a perplexity increase the estimate may use up, kept beside unfinished work: a run that was killed goes
/// on with the recipe that it was at.
struct TriedShare {
  let path: String
  let increase: Double

  /// What was kept for the same increase; nil if there is nothing.
  var known: Double? {
    guard let data = FileManager.default.contents(atPath: path),
      let json = try? JSON(parsing: String(decoding: data, as: UTF8.self)),
      json["increase"]?.double == increase
    else { return nil }
    return json["share"]?.double
  }

  /// Keeps a share; without it, a run that is killed begins anew.
  func keep(_ share: Double) {
    let json: JSONValue = ["increase": .double(increase), "share": .double(share)]
    try? Data(json.serialized()).write(to: URL(filePath: path), options: .atomic)
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
