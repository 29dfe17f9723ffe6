/// Files under `Tests/Fixtures`, made by the scripts in `Tools/`.
public enum Fixtures {
  /// The path of a fixture, for example `Fixtures.path("models/llama")`.
  public static func path(_ relative: String) -> String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
    return parts.joined(separator: "/") + "/Fixtures/" + relative
  }
}
