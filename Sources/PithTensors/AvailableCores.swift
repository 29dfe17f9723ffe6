#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Android)
  import Android
#elseif canImport(Darwin)
  import Darwin
#endif

extension ThreadPool {
  /// The number of cores that the system lets this process use.
  public static var availableCores: Int {
    #if canImport(Glibc) || canImport(Musl) || canImport(Android) || canImport(Darwin)
      max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    #else
      1
    #endif
  }
}
