#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Android)
  import Android
#elseif canImport(Darwin)
  import Darwin
#endif

/// The owner of a run of memory: releases or unmaps it when the last `Bytes` lets go.
///
/// Sendable because nobody writes to it after it has been filled.
final class Memory: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer
  private let isMapped: Bool

  init(allocating count: Int) {
    bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    isMapped = false
  }

  init(mapped bytes: UnsafeMutableRawBufferPointer) {
    self.bytes = bytes
    isMapped = true
  }

  /// Drops the pages that lie wholly in a range, if they are a file's.
  func releasePages(_ range: Range<Int>) {
    #if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
      guard isMapped, let base = bytes.baseAddress else { return }
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      let first = (range.lowerBound + page - 1) / page * page
      let last = range.upperBound / page * page
      if first < last { madvise(base + first, last - first, MADV_DONTNEED) }
    #endif
  }

  deinit {
    #if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
      if isMapped {
        munmap(bytes.baseAddress!, bytes.count)
        return
      }
    #endif
    bytes.deallocate()
  }
}

/// What the system said when a file could not be mapped.
public struct FileError: Error, Equatable {
  /// The system's `errno`.
  public let code: Int32

  /// The file's path.
  public let path: String

  /// Whether the file does not exist.
  public var isMissing: Bool { code == 2 }

  /// The system's words for the code.
  public var reason: String {
    #if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
      String(cString: strerror(code))
    #else
      "error \(code)"
    #endif
  }
}

#if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
  extension Bytes {
    /// The contents of a file, mapped into memory: pages are read when they are touched.
    ///
    /// - Throws: `FileError` if the file cannot be opened, is not a regular file, or cannot be mapped.
    public init(mapping path: String) throws(FileError) {
      // Without O_NONBLOCK, opening a pipe that somebody put in a file's place would wait for ever.
      let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
      guard descriptor >= 0 else { throw FileError(code: errno, path: path) }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw FileError(code: errno, path: path) }
      guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(code: EISDIR, path: path) }
      let count = Int(status.st_size)
      guard count > 0 else {
        self.init()
        return
      }
      guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED
      else { throw FileError(code: errno, path: path) }
      let region = UnsafeMutableRawBufferPointer(start: address, count: count)
      self.init(memory: Memory(mapped: region), start: 0, count: count)
    }
  }
#endif
