import CPithKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Android)
  import Android
#elseif canImport(Darwin)
  import Darwin
#endif

/// A fixed set of threads that share the work of one loop at a time.
///
///     pool.forEach(count: rows, grain: 32) { range in … }
///
/// A decoded token is some hundred loops of a few dozen microseconds each, so a thread that has run out of work waits
/// in a loop for a moment before it sleeps, and a thread that sleeps is not waited for.
public final class ThreadPool: Sendable {
  /// How many threads work, the caller's included.
  public let threads: Int

  private let crew: Crew
  private let workers: [pthread_t]

  /// A pool of `threads` workers, the caller's thread included.
  public init(threads: Int) {
    self.threads = max(1, threads)
    let crew = Crew()
    self.crew = crew
    workers = (1..<self.threads).compactMap { _ in Crew.startWorker(crew) }
  }

  deinit {
    crew.dismiss()
    for worker in workers { pthread_join(worker, nil) }
  }

  /// Calls `body` with parts of `0..<count`, each `grain` long (but for the last), on all threads; returns when all
  /// are done. A call from inside `body`, or while another caller's loop runs, works on the calling thread alone.
  public func forEach(count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    guard !workers.isEmpty, count > grain, crew.reserve() else {
      for start in stride(from: 0, to: count, by: max(1, grain)) {
        body(start..<min(start + max(1, grain), count))
      }
      return
    }
    withoutActuallyEscaping(body) { body in crew.run(Loop(count: count, grain: max(1, grain), body: body)) }
    crew.release()
  }
}

/// The work of one loop.
private struct Loop {
  let count: Int
  let grain: Int
  let body: (Range<Int>) -> Void
}

/// What the threads of a pool share.
///
/// Sendable because `loop` is written only while no worker is at it: `state` counts the workers at the open loop in
/// its low 16 bits; bit 16 says that the loop is open; the bits above number the loops.
private final class Crew: @unchecked Sendable {
  private static let open: UInt64 = 1 << 16
  private static let number: UInt64 = 1 << 17

  /// Rounds of waiting before a thread sleeps: some tens of microseconds.
  private static let patience = 2000

  private let state = Atomic<UInt64>(0)
  private let next = Atomic<Int>(0)
  private let isReserved = Atomic<Bool>(false)
  private let isDismissed = Atomic<Bool>(false)
  private let sleepers = Atomic<Int>(0)
  private var loop: Loop?
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  /// Takes the crew for one loop; false if it has one.
  func reserve() -> Bool { !isReserved.exchange(true, ordering: .acquiring) }

  func release() { isReserved.store(false, ordering: .releasing) }

  func run(_ loop: Loop) {
    self.loop = loop
    next.store(0, ordering: .relaxed)
    let previous = state.load(ordering: .relaxed)
    state.store((previous / Self.number + 1) * Self.number | Self.open, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(condition)
      pthread_mutex_unlock(mutex)
    }
    work(at: loop)
    // Nobody joins a closed loop; those who are at it finish their part.
    state.bitwiseAnd(~Self.open, ordering: .acquiringAndReleasing)
    var rounds = 0
    while state.load(ordering: .acquiring) % Self.open != 0 {
      pith_pause()
      rounds += 1
      if rounds % Self.patience == 0 { sched_yield() }
    }
    self.loop = nil
  }

  func dismiss() {
    isDismissed.store(true, ordering: .sequentiallyConsistent)
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  static func startWorker(_ crew: Crew) -> pthread_t? {
    let argument = Unmanaged.passRetained(crew).toOpaque()
    #if canImport(Darwin)
      var thread: pthread_t?
      let code = pthread_create(&thread, nil, { Crew.serve($0) }, argument)
    #else
      var thread = pthread_t()
      let code = pthread_create(&thread, nil, { Crew.serve($0!) }, argument)
    #endif
    if code != 0 {
      Unmanaged<Crew>.fromOpaque(argument).release()
      return nil
    }
    return thread
  }

  private static func serve(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let crew = Unmanaged<Crew>.fromOpaque(argument).takeRetainedValue()
    var done: UInt64 = 0
    while let joined = crew.join(after: done) {
      if let loop = crew.loop { crew.work(at: loop) }
      crew.state.subtract(1, ordering: .releasing)
      done = joined
    }
    return nil
  }

  private func work(at loop: Loop) {
    while true {
      let start = next.add(loop.grain, ordering: .relaxed).oldValue
      guard start < loop.count else { return }
      loop.body(start..<min(start + loop.grain, loop.count))
    }
  }

  /// Waits for a loop with another number than `done` and joins it; its number, or nil when the pool is gone.
  private func join(after done: UInt64) -> UInt64? {
    var rounds = 0
    while true {
      let seen = state.load(ordering: .acquiring)
      if seen & Self.open != 0, seen / Self.number != done {
        if state.compareExchange(expected: seen, desired: seen + 1, ordering: .acquiring).exchanged {
          return seen / Self.number
        }
        continue
      }
      if isDismissed.load(ordering: .relaxed) { return nil }
      pith_pause()
      rounds += 1
      if rounds == Self.patience {
        sleep(after: done)
        rounds = 0
      }
    }
  }

  private func sleep(after done: UInt64) {
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while true {
      let seen = state.load(ordering: .sequentiallyConsistent)
      let hasWork = seen & Self.open != 0 && seen / Self.number != done
      if hasWork || isDismissed.load(ordering: .sequentiallyConsistent) { break }
      pthread_cond_wait(condition, mutex)
    }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }
}
