import PithTensors
import Synchronization
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct ThreadPoolTests {
  /// How often each index of a loop was seen.
  final class Tally: Sendable {
    let counts: Mutex<[Int]>

    init(_ count: Int) { counts = Mutex([Int](repeating: 0, count: count)) }

    func add(_ range: Range<Int>) {
      counts.withLock { for index in range { $0[index] += 1 } }
    }

    var isEachOnce: Bool { counts.withLock { $0.allSatisfy { $0 == 1 } } }
  }

  @Test(arguments: 1...4, [0, 1, 2, 31, 32, 33, 1000])
  func everyIndexIsVisitedOnce(threads: Int, count: Int) {
    let pool = ThreadPool(threads: threads)
    for grain in [1, 7, 32, 5000] {
      let tally = Tally(count)
      pool.forEach(count: count, grain: grain) { range in
        #expect(range.count <= grain && !range.isEmpty)
        tally.add(range)
      }
      #expect(tally.isEachOnce)
    }
  }

  @Test(arguments: 1...4) func aGrainOfNothingIsOne(threads: Int) {
    let tally = Tally(5)
    ThreadPool(threads: threads).forEach(count: 5, grain: 0) { tally.add($0) }
    #expect(tally.isEachOnce)
  }

  @Test(arguments: [-3, 0, 1, 4]) func thereIsAlwaysAThread(threads: Int) {
    #expect(ThreadPool(threads: threads).threads == max(1, threads))
  }

  @Test(arguments: 1...4) func manyShortLoopsFollowEachOther(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let sum = Atomic(0)
    for _ in 0..<20_000 {
      pool.forEach(count: 8, grain: 1) { sum.add($0.lowerBound, ordering: .relaxed) }
    }
    #expect(sum.load(ordering: .relaxed) == 20_000 * 28)
  }

  @Test(arguments: 1...4) func hugeCountsAreCovered(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let seen = Atomic(0)
    let count = 1 << 40
    pool.forEach(count: count, grain: 1 << 30) { seen.add($0.count, ordering: .relaxed) }
    #expect(seen.load(ordering: .relaxed) == count)
  }

  @Test(arguments: 1...4) func aLoopInsideALoopRuns(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let tally = Tally(40 * 25)
    pool.forEach(count: 40, grain: 1) { outer in
      for row in outer {
        pool.forEach(count: 25, grain: 4) {
          tally.add((row * 25 + $0.lowerBound)..<(row * 25 + $0.upperBound))
        }
      }
    }
    #expect(tally.isEachOnce)
  }

  @Test(arguments: 1...4) func callersShareAPool(threads: Int) async {
    let pool = ThreadPool(threads: threads)
    let tallies = (0..<8).map { _ in Tally(3000) }
    await withTaskGroup(of: Void.self) { group in
      for tally in tallies {
        group.addTask {
          for part in 0..<30 {
            pool.forEach(count: 100, grain: 3) {
              tally.add((part * 100 + $0.lowerBound)..<(part * 100 + $0.upperBound))
            }
          }
        }
      }
    }
    #expect(tallies.allSatisfy { $0.isEachOnce })
  }

  @Test func poolsComeAndGo() {
    for round in 0..<200 {
      let pool = ThreadPool(threads: 1 + round % 4)
      guard round % 3 > 0 else { continue }
      let tally = Tally(64)
      pool.forEach(count: 64, grain: 1) { tally.add($0) }
      #expect(tally.isEachOnce)
    }
  }

  @Test func sleepersWakeForWork() {
    let pool = ThreadPool(threads: 3)
    for _ in 0..<10 {
      usleep(20_000)  // longer than a thread's patience
      let tally = Tally(64)
      pool.forEach(count: 64, grain: 1) { tally.add($0) }
      #expect(tally.isEachOnce)
    }
  }

  @Test func whatAThreadWroteTheCallerSees() {
    let pool = ThreadPool(threads: 4)
    var values = [Int](repeating: 0, count: 4096)
    for round in 1...500 {
      values.withUnsafeMutableBufferPointer { buffer in
        nonisolated(unsafe) let target = buffer
        pool.forEach(count: target.count, grain: 16) { for index in $0 { target[index] += round } }
      }
    }
    #expect(values.allSatisfy { $0 == 500 * 501 / 2 })
  }
}
