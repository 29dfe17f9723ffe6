#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Bionic)
  import Bionic
#endif

extension Double {
  /// `base` to the power of `exponent`; nil if that is no real number, or this platform cannot tell.
  static func power(_ base: Double, _ exponent: Double) -> Double? {
    #if canImport(Darwin) || canImport(Glibc) || canImport(Musl) || canImport(Bionic)
      let result = pow(base, exponent)
      return result.isNaN && !base.isNaN && !exponent.isNaN ? nil : result
    #else
      return nil
    #endif
  }
}
