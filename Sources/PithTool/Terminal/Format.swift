import Foundation

/// Numbers as people read them.
enum Format {
  static func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
  static func number(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
  static func percent(_ share: Double) -> String { String(format: "%.1f%%", share * 100) }
}
