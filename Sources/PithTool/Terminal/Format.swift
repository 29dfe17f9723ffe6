import Foundation

/// Numbers as people read them.
enum Format {
  static func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
  static func number(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
  static func percent(_ share: Double) -> String { String(format: "%.1f%%", share * 100) }

  /// The bytes of a size such as 60MB, 1.5GB or 700kB; nil if the text is none.
  static func bytes(_ text: String) -> Int? {
    let units: [(String, Double)] = [("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("b", 1)]
    let lower = text.lowercased()
    guard let (unit, factor) = units.first(where: { lower.hasSuffix($0.0) }),
      let number = Double(lower.dropLast(unit.count)), number > 0, number * factor < 1e15
    else { return nil }
    return Int(number * factor)
  }

  /// A share such as 5% or 0.05; nil if the text is none.
  static func share(_ text: String) -> Double? {
    let number = text.hasSuffix("%") ? Double(text.dropLast()).map { $0 / 100 } : Double(text)
    return number.flatMap { $0 > 0 && $0 < 100 ? $0 : nil }
  }

  /// Seconds or minutes.
  static func duration(_ seconds: Double) -> String {
    seconds < 90 ? "\(Int(seconds.rounded(.up))) s" : "\(Int((seconds / 60).rounded(.up))) min"
  }
}
