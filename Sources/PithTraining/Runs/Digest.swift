import Crypto
import Foundation

/// What tells one file from another.
enum Digest {
  /// SHA-256, in hexadecimal digits.
  static func of(_ bytes: [UInt8]) -> String {
    SHA256.hash(data: Data(bytes)).map { String(format: "%02x", $0) }.joined()
  }
}
