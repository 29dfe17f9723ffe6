import PithJSON
import PithTensors

/// Why a checkpoint could not be read or written: one sentence that names the file, the fault and the mend.
public enum CheckpointError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The mend for a file whose contents contradict themselves.
  public static let fetchAgain = "fetch or write the file again"

  /// A file or folder does not exist.
  case missing(path: String, mend: String = "check the path")

  /// The contents of a file are wrong, or of a kind that Pith does not read.
  case badData(path: String, fault: String, mend: String = fetchAgain)

  /// A file or folder cannot be created or replaced.
  case cannotCreate(path: String, fault: String, mend: String)

  /// The system failed to read or write a file that is there.
  case io(path: String, fault: String, mend: String = "check the disk and the file's permissions")

  /// The file or folder at fault.
  public var path: String {
    switch self {
    case .missing(let path, _), .badData(let path, _, _), .cannotCreate(let path, _, _), .io(let path, _, _):
      path
    }
  }

  /// The sentence.
  public var description: String {
    switch self {
    case .missing(let path, let mend): "\(path): no such file or folder; \(mend)."
    case .badData(let path, let fault, let mend), .cannotCreate(let path, let fault, let mend),
      .io(let path, let fault, let mend):
      "\(path): \(fault); \(mend)."
    }
  }
}

extension CheckpointError {
  /// What it means that a file could not be mapped.
  init(_ error: FileError) {
    self = error.isMissing ? .missing(path: error.path) : .io(path: error.path, fault: error.reason)
  }
}

extension Bytes {
  /// A file of a checkpoint, mapped into memory.
  init(opening path: String) throws(CheckpointError) {
    do { self = try Bytes(mapping: path) } catch { throw CheckpointError(error) }
  }
}

extension JSON {
  /// The document in `bytes`, which came from the file `path`.
  init(parsing bytes: Bytes, of path: String) throws(CheckpointError) {
    do throws(JSONError) {
      self = try bytes.withUnsafeBytes { (source) throws(JSONError) in try JSON(parsing: source) }
    } catch {
      throw .badData(path: path, fault: "\(error.message.droppingFullStop) (JSON, byte \(error.offset))")
    }
  }
}

extension String {
  /// The text in quotes, fit for an error message: at most 80 characters, and none that a terminal obeys.
  var quoted: String {
    var shown = "'"
    for (position, scalar) in unicodeScalars.enumerated() {
      if position == 80 { return shown + "…'" }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: shown.append("\u{FFFD}")
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown + "'"
  }

  fileprivate var droppingFullStop: String { hasSuffix(".") ? String(dropLast()) : self }
}
