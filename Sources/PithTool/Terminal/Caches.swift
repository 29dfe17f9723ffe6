import Foundation

/// What is worth keeping between runs.
enum Caches {
  /// The folder of the environment's PITH_CACHE, or `pith` in the user's folder for caches.
  static var folder: String {
    ProcessInfo.processInfo.environment["PITH_CACHE"]
      ?? FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask)[0].appending(path: "pith").path
  }
}
