import Testing

@testable import PithTensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Bytes with a forbidden page right behind their end or right before their start, as in a mapped file: a kernel that
/// reads one byte too many crashes.
enum GuardedMemory: CaseIterable {
  case before, behind

  func bytes(_ contents: Bytes) throws -> Bytes {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let size = max(1, (contents.count + page - 1) / page) * page
    let address = try #require(
      mmap(nil, size + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    try #require(address != MAP_FAILED)
    let start = self == .before ? page : page + size - contents.count
    contents.withUnsafeBytes { (address + start).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    try #require(mprotect(address, page, PROT_NONE) == 0)
    try #require(mprotect(address + page + size, page, PROT_NONE) == 0)
    let region = UnsafeMutableRawBufferPointer(start: address, count: size + 2 * page)
    return Bytes(memory: Memory(mapped: region), start: start, count: contents.count)
  }

  /// Calls `body` with a copy of the values; what it leaves there is returned.
  func with(_ values: [Float], _ body: (UnsafeMutablePointer<Float>) -> Void) throws -> [Float] {
    let bytes = try bytes(Bytes(copying: values))
    body(
      UnsafeMutableRawPointer(mutating: bytes.unsafePointer.baseAddress!).assumingMemoryBound(to: Float.self))
    return bytes.array()
  }
}
