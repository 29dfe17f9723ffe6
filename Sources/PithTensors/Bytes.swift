/// A run of bytes that never changes: a heap allocation, or a part of a memory-mapped file.
///
/// Copies share the memory; it is released (or unmapped) with the last of them.
public struct Bytes: Sendable {
  private let memory: Memory
  private let start: Int

  /// The number of bytes.
  public let count: Int

  init(memory: Memory, start: Int, count: Int) {
    self.memory = memory
    self.start = start
    self.count = count
  }

  /// An empty run.
  public init() {
    self.init(memory: Memory(allocating: 0), start: 0, count: 0)
  }

  /// `count` zero bytes (64-byte aligned), filled in by `fill` before anyone can see them.
  public init(count: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
    let memory = Memory(allocating: count)
    try fill(memory.bytes)
    self.init(memory: memory, start: 0, count: count)
  }

  /// A copy of the memory of an array of trivial values.
  public init<T: BitwiseCopyable>(copying values: [T]) {
    self = values.withUnsafeBytes { source in
      Bytes(count: source.count) { $0.copyMemory(from: source) }
    }
  }

  /// The part of these bytes in `range`, sharing their memory.
  public subscript(range: Range<Int>) -> Bytes {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside of the bytes")
    return Bytes(memory: memory, start: start + range.lowerBound, count: range.count)
  }

  /// Calls `body` with the memory; the pointer must not leave it.
  @inlinable
  public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    let pointer = unsafePointer
    defer { withExtendedLifetime(self) {} }
    return try body(pointer)
  }

  /// The memory, valid only while a copy of this value lives.
  public var unsafePointer: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory.bytes)[start..<(start + count)])
  }

  /// Lets the system take back the memory of a mapped file's pages; they are read again when they are touched.
  public func releasePages() { memory.releasePages(start..<(start + count)) }

  /// The bytes read as an array of trivial values; the tail that does not fill one is left out.
  public func array<T: BitwiseCopyable>(of type: T.Type = T.self) -> [T] {
    let size = MemoryLayout<T>.stride
    return [T](unsafeUninitializedCapacity: count / size) { target, filled in
      UnsafeMutableRawBufferPointer(target).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: unsafePointer[..<(count / size * size)]))
      filled = count / size
    }
  }
}

extension Bytes: Equatable {
  /// Whether both hold the same bytes.
  public static func == (a: Bytes, b: Bytes) -> Bool {
    a.unsafePointer.elementsEqual(b.unsafePointer)
  }
}
