import Foundation

/// Numbers as people read them.
enum Format {
  static func megabytes(_ bytes: Int) -> String {
    bytes < 1_000_000
      ? String(format: "%.1f kB", Double(bytes) / 1e3) : String(format: "%.1f MB", Double(bytes) / 1e6)
  }
  static func number(_ value: Double, _ digits: Int = 2) -> String {
    let text = String(format: "%.\(digits)f", value)
    // What rounds to nothing has no sign.
    return text.hasPrefix("-") && text.allSatisfy { "-0.".contains($0) } ? String(text.dropFirst()) : text
  }
  static func percent(_ share: Double) -> String {
    // A small share is not none.
    String(format: share != 0 && abs(share) < 1e-3 ? "%.2g%%" : "%.1f%%", share * 100)
  }

  /// The bytes of a size such as 60MB, 1.5GB, 700kB or 64MiB; nil if the text is none.
  static func bytes(_ text: String) -> Int? {
    let units: [(String, Double)] = [
      ("kib", 1024), ("mib", 1_048_576), ("gib", 1_073_741_824), ("kb", 1e3), ("mb", 1e6), ("gb", 1e9),
      ("b", 1),
    ]
    let lower = text.lowercased()
    guard let (unit, factor) = units.first(where: { lower.hasSuffix($0.0) }),
      let number = Double(lower.dropLast(unit.count)), number > 0, number * factor < 1e15
    else { return nil }
    return Int(number * factor)
  }

  /// A share such as 5% or 0.05; nil if the text is none, or a number from 1 on without a percent sign.
  static func share(_ text: String) -> Double? {
    if text.hasSuffix("%") {
      return Double(text.dropLast()).flatMap { $0 > 0 && $0 < 10_000 ? $0 / 100 : nil }
    }
    return Double(text).flatMap { $0 > 0 && $0 < 1 ? $0 : nil }
  }

  /// Lines of at most 79 characters, as a terminal of 80 has room for, those after the first behind as many spaces as stand before the first.
  static func wrapped(_ text: String, indent: Int) -> String {
    var lines = [""]
    for word in text.split(separator: " ") {
      let line = lines[lines.count - 1]
      if line.isEmpty {
        lines[lines.count - 1] = String(word)
      } else if indent + line.count + 1 + word.count < 80 {
        lines[lines.count - 1] += " \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
  }

  /// Seconds or minutes.
  static func duration(_ seconds: Double) -> String {
    seconds < 90 ? "\(Int(seconds.rounded(.up))) s" : "\(Int((seconds / 60).rounded(.up))) min"
  }
}
