import PithJSON
import PithTensors

/// The documents of a calibration file: the whole of a plain text, or the `text` of each line of JSON.
public enum CalibrationText {
  /// The documents of a file's text; JSON lines are known by the end of the file's name.
  ///
  /// - Throws: `CalibrationError` naming the line that is no JSON object with a `text`.
  public static func documents(of text: String, named source: String) throws(CalibrationError) -> [String] {
    guard source.hasSuffix(".jsonl") || source.hasSuffix(".ndjson") || source.hasSuffix(".json") else {
      return [text]
    }
    var documents: [String] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy(\.isWhitespace) {
      let document = Bytes(copying: Array(line.utf8)).withUnsafeBytes {
        (try? JSON(parsing: $0))?["text"]?.string
      }
      guard let document else { throw .badLine(source: source, line: index + 1) }
      documents.append(document)
    }
    return documents
  }
}
