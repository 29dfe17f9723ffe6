#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Android)
  import Android
#elseif canImport(Darwin)
  import Darwin
#endif

/// How much memory kept rows may take; what does not fit goes to a file without a name.
public final class RowBudget {
  private var left: Int
  private let folder: String

  /// - Parameters:
  ///   - bytes: what kept rows may take in memory, all together.
  ///   - folder: where files lie.
  public init(bytes: Int, folder: String) {
    left = bytes
    self.folder = folder
  }

  /// Room for rows.
  func reserve(_ bytes: Int) -> Bool {
    guard bytes <= left else { return false }
    left -= bytes
    return true
  }

  func release(_ bytes: Int) { left += bytes }

  /// A file that vanishes when it is closed; nil if the folder cannot be written.
  func openFile() -> Int32? {
    #if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
      let path = "\(folder)/.rows-\(getpid())-\(UInt64.random(in: 0...(.max)))"
      let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      if file >= 0 { unlink(path) }
      return file >= 0 ? file : nil
    #else
      return nil
    #endif
  }
}

/// Matrices of one width that are written once and read often, in memory or, when memory is short, in a file.
public final class RowStore {
  private var parts: [Matrix?]
  private var places: [(offset: Int, rows: Int)?]
  private let columns: Int
  private let budget: RowBudget
  private var reserved = 0
  private var file: Int32 = -1
  private var end = 0

  /// An empty store of so many parts.
  public init(parts: Int, columns: Int, budget: RowBudget) {
    self.parts = [Matrix?](repeating: nil, count: parts)
    places = [(offset: Int, rows: Int)?](repeating: nil, count: parts)
    self.columns = columns
    self.budget = budget
  }

  deinit {
    budget.release(reserved)
    #if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
      if file >= 0 { close(file) }
    #endif
  }

  /// A part; nil if it was not written.
  public subscript(part: Int) -> Matrix? {
    if let matrix = parts[part] { return matrix }
    guard let place = places[part] else { return nil }
    var isRead = true
    let matrix = Matrix(rows: place.rows, columns: columns) { target in
      isRead = transfer(UnsafeMutableRawBufferPointer(target), at: place.offset, writing: false)
    }
    precondition(isRead, "rows that were written aside cannot be read back")
    return matrix
  }

  /// Keeps a part.
  public func write(_ matrix: Matrix, part: Int) {
    let bytes = matrix.values.count * MemoryLayout<Float>.size
    if budget.reserve(bytes) {
      reserved += bytes
      parts[part] = matrix
      return
    }
    if file < 0, let opened = budget.openFile() { file = opened }
    var copy = matrix
    let isWritten = copy.values.withUnsafeMutableBytes { transfer($0, at: end, writing: true) }
    guard isWritten else {
      // A full disk: more memory than was asked for is better than lost work.
      parts[part] = matrix
      return
    }
    places[part] = (end, matrix.rows)
    end += bytes
  }

  private func transfer(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int, writing: Bool) -> Bool {
    #if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
      guard file >= 0 else { return false }
      var done = 0
      while done < bytes.count {
        let (start, count) = (bytes.baseAddress! + done, bytes.count - done)
        let moved =
          writing
          ? pwrite(file, start, count, off_t(offset + done)) : pread(file, start, count, off_t(offset + done))
        if moved < 0, errno == EINTR { continue }
        guard moved > 0 else { return false }
        done += moved
      }
      return true
    #else
      return false
    #endif
  }
}
