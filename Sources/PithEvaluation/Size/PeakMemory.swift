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
      // The C library's name for this process is an enumerator in one place and a number in another.
      let thisProcess: Int32 = 0
      getrusage(thisProcess, &usage)
      return usage.ru_maxrss * 1024
    #endif
  }
}
