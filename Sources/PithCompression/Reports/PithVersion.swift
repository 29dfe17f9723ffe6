/// The version of Pith, as report cards and unfinished work record it.
public enum PithVersion {
  /// The version of this program.
  public static let current = "0.1.0"
}
