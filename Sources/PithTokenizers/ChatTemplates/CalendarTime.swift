#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Bionic)
  import Bionic
#endif

/// A local date and time of day, which templates print with `strftime_now`.
public struct CalendarTime: Sendable, Hashable {
  /// The year, such as 2025.
  public var year: Int
  /// The month, from 1 to 12.
  public var month: Int
  /// The day of the month, from 1 to 31.
  public var day: Int
  /// The hour, from 0 to 23.
  public var hour: Int
  /// The minute, from 0 to 59.
  public var minute: Int
  /// The second, from 0 to 60.
  public var second: Int

  /// A date and a time of day.
  public init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
    self.year = year
    self.month = month
    self.day = day
    self.hour = hour
    self.minute = minute
    self.second = second
  }

  /// The time of the machine's clock, in its time zone; nil where there is no clock.
  public static func now() -> CalendarTime? {
    #if canImport(Darwin) || canImport(Glibc) || canImport(Musl) || canImport(Bionic)
      var seconds = time(nil)
      var parts = tm()
      guard localtime_r(&seconds, &parts) != nil else { return nil }
      return CalendarTime(
        year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
        hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec))
    #else
      return nil
    #endif
  }

  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
  ]
  private static let weekdays = [
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
  ]

  /// Days since the first of January of the year.
  private var dayOfYear: Int {
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][(month - 1) %% 12]
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return before + day - 1 + (isLeap && month > 2 ? 1 : 0)
  }

  /// 0 for Sunday, up to 6 for Saturday.
  private var weekday: Int {
    let past = year - 1
    let leapDays = past / 4 - past / 100 + past / 400
    return (past + leapDays + dayOfYear + 1) %% 7
  }

  /// The time written after a pattern of C's `strftime`, in English. A `-` after the `%` drops leading zeros.
  func formatted(_ pattern: String) -> String {
    var result = String.UnicodeScalarView()
    var scalars = Array(pattern.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "%", let next = scalars.first else {
        result.append(scalar)
        continue
      }
      let isBare = next == "-" && scalars.count > 1
      if isBare { scalars.removeFirst() }
      let letter = scalars.removeFirst()
      let field = field(letter) ?? "%" + (isBare ? "-" : "") + letter.text
      let trimmed = field.drop { $0 == "0" || $0 == " " }
      result.append(contentsOf: (isBare ? (trimmed.isEmpty ? "0" : String(trimmed)) : field).unicodeScalars)
    }
    return String(result)
  }

  private func field(_ letter: Unicode.Scalar) -> String? {
    switch letter {
    case "Y": String(year)
    case "y": padded(year %% 100)
    case "m": padded(month)
    case "d": padded(day)
    case "e": padded(day, with: " ")
    case "H": padded(hour)
    case "I": padded((hour + 11) %% 12 + 1)
    case "M": padded(minute)
    case "S": padded(second)
    case "j": padded(dayOfYear + 1, width: 3)
    case "p": hour < 12 ? "AM" : "PM"
    case "B": CalendarTime.months[(month - 1) %% 12]
    case "b", "h": String(CalendarTime.months[(month - 1) %% 12].prefix(3))
    case "A": CalendarTime.weekdays[weekday]
    case "a": String(CalendarTime.weekdays[weekday].prefix(3))
    case "w": String(weekday)
    case "F": formatted("%Y-%m-%d")
    case "T": formatted("%H:%M:%S")
    case "R": formatted("%H:%M")
    case "D": formatted("%m/%d/%y")
    case "n": "\n"
    case "t": "\t"
    case "%": "%"
    default: nil
    }
  }

  private func padded(_ number: Int, width: Int = 2, with filler: String = "0") -> String {
    let digits = String(number)
    return String(repeating: filler, count: max(0, width - digits.count)) + digits
  }
}

infix operator %% : MultiplicationPrecedence

/// The remainder that is never negative.
private func %% (left: Int, right: Int) -> Int { (left % right + right) % right }
