/// A line of a data set that is not what the task needs.
public struct TaskError: Error, Equatable, CustomStringConvertible {
  /// The line, from 1.
  public let line: Int
  /// What is wrong with it.
  public let fault: String

  /// A fault of a line.
  public init(line: Int, fault: String) {
    self.line = line
    self.fault = fault
  }

  /// One sentence.
  public var description: String { "line \(line): \(fault)" }
}

/// The lines of a text that are not empty, with their numbers from 1.
func lines(of text: String) -> [(number: Int, text: Substring)] {
  // A line end of Windows is one character to Swift.
  text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.enumerated()
    .map { (number: $0 + 1, text: $1) }
    .filter { !$0.text.isEmpty }
}
