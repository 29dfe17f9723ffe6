#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Android)
  import Android
#elseif canImport(Darwin)
  import Darwin
#endif

/// The most memory that this process has had resident.
public enum PeakMemory {
  /// In bytes, mapped files that were touched included.
  public static var bytes: Int {
    var usage = rusage()
    #if canImport(Darwin)
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #else
      if let mark = highWaterMark { return mark }
      // The C library's name for this process is an enumerator in one place and a number in another.
      let thisProcess: Int32 = 0
      getrusage(thisProcess, &usage)
      return usage.ru_maxrss * 1024
    #endif
  }

  #if !canImport(Darwin)
    /// What Linux says of this program alone; `getrusage` counts what the process that started it had before, too.
    private static var highWaterMark: Int? {
      guard let file = fopen("/proc/self/status", "r") else { return nil }
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 256)
      while fgets(&line, Int32(line.count), file) != nil {
        let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        if text.hasPrefix("VmHWM:") { return Int(text.filter(\.isNumber)).map { $0 * 1024 } }
      }
      return nil
    }
  #endif
}
