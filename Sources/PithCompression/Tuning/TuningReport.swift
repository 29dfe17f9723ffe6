import PithJSON

/// What training behind a compression gained.
public struct TuningReport: Sendable {
  /// The seconds that it was given.
  public let seconds: Double
  /// KL(original ‖ model) in nats per token of held-out text before …
  public let before: Double
  /// … and after.
  public let after: Double
  /// Why it ended otherwise than hoped for; nil if it did not.
  public let note: String?

  /// The report's document.
  public var json: JSONValue {
    var json: JSONValue = [
      "seconds": .double(seconds), "kl_divergence_before": .double(before),
      "kl_divergence_after": .double(after),
    ]
    if let note { json["note"] = .string(note) }
    return json
  }
}
