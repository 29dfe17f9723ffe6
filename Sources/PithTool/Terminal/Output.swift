import Foundation
import PithJSON

/// Where text goes: results to standard output, talk to standard error.
enum Output {
  /// Prints a result, at once.
  static func result(_ text: String, terminator: String = "\n") {
    FileHandle.standardOutput.write(Data((text + terminator).utf8))
  }

  /// Prints a JSON document as the result.
  static func json(_ value: JSONValue) { result(value.text(.pretty)) }

  /// Says something beside the result.
  static func say(_ text: String, terminator: String = "\n") {
    FileHandle.standardError.write(Data((text + terminator).utf8))
  }

  /// Whether standard error is a terminal.
  static var isTerminal: Bool { isatty(2) == 1 }
}
