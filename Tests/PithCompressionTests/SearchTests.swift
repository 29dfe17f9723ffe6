import Foundation
import PithCheckpoints
import PithModels
import PithQuantization
import PithTensors
import PithTestSupport
import Testing

@testable import PithCompression

@Suite struct SearchTests {
  private typealias Choice = MultipleChoiceKnapsack.Choice
  private let pool = ThreadPool(threads: 2)

  /// Against all combinations.
  @Test(arguments: UInt64(1)...30)
  func theKnapsackIsExact(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let lists = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
      (0..<Int.random(in: 1...4, using: &generator)).map { _ in
        Choice(size: Int.random(in: 0...50, using: &generator), cost: Double(generator.uniform()))
      }
    }
    let limit = Int.random(in: 0...150, using: &generator)
    var best: Double?
    func visit(_ index: Int, _ size: Int, _ cost: Double) {
      guard size <= limit else { return }
      guard index < lists.count else { return best = min(best ?? .infinity, cost) }
      for choice in lists[index] { visit(index + 1, size + choice.size, cost + choice.cost) }
    }
    visit(0, 0, 0)
    let found = MultipleChoiceKnapsack.solve(lists, limit: limit)
    #expect((found == nil) == (best == nil))
    if let found, let best {
      let cost = zip(lists, found).reduce(0) { $0 + $1.0[$1.1].cost }
      let size = zip(lists, found).reduce(0) { $0 + $1.0[$1.1].size }
      #expect(abs(cost - best) < 1e-9 && size <= limit)
    }
  }

  /// Sizes far above what is counted one by one: never above the limit, and next to it.
  @Test func largeSizesStayWithinTheLimitAndComeCloseToIt() throws {
    var generator = SeededGenerator(seed: 5)
    let lists = (0..<200).map { _ in
      (1...8).map { width in
        Choice(
          size: width * Int.random(in: 40_000...1_000_000, using: &generator),
          cost: Double(generator.uniform()) / Double(width * width))
      }
    }
    let (least, most) = lists.reduce((0, 0)) { ($0.0 + $1.map(\.size).min()!, $0.1 + $1.map(\.size).max()!) }
    for share in [0.05, 0.3, 0.6] {
      let limit = least + Int(share * Double(most - least))
      let found = try #require(MultipleChoiceKnapsack.solve(lists, limit: limit))
      let size = zip(lists, found).reduce(0) { $0 + $1.0[$1.1].size }
      #expect(size <= limit && size > limit * 98 / 100, "\(size) of \(limit)")
    }
    #expect(MultipleChoiceKnapsack.solve(lists, limit: least - 1) == nil)
    #expect(MultipleChoiceKnapsack.solve(lists, limit: least) != nil)
  }

  private func calibration() -> Calibration {
    var generator = SeededGenerator(seed: 3)
    let sequences = (0..<20).map { _ in (0..<24).map { _ in Int32.random(in: 0..<60, using: &generator) } }
    return Calibration(
      sequences: Array(sequences.prefix(16)), heldOut: Array(sequences.suffix(4)), source: "noise")
  }

  /// What the search counts is what is stored, and the target is kept.
  @Test(arguments: ["llama-biases", "qwen3"], [4.5, 6.0, 14.0])
  func aTargetOfBitsIsKept(name: String, bits: Double) throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let source = try Checkpoint(path: Fixtures.path("models/\(name)"))
    let search = try Search(source, calibration: calibration(), on: pool)
    let choice = try search.recipe(search.table(), for: .bitsPerWeight(bits))
    let card = try Compression(choice.recipe, calibration: calibration()).run(source, to: path, on: pool)
    #expect(card.size.bytes == choice.bytes)
    #expect(try #require(card.size.bitsPerWeight) <= bits)
  }

  @Test func aTargetOfBytesIsKeptAndMoreBytesDivergeLess() throws {
    let source = try Checkpoint(path: Fixtures.path("models/llama"))
    let search = try Search(source, calibration: calibration(), on: pool)
    let table = try search.table()
    let smallest = table.rows.reduce(table.otherBytes) { $0 + $1.choices.map(\.size).min()! }
    var last = Double.infinity
    for bytes in [smallest, smallest * 11 / 10, smallest * 13 / 10] {
      let choice = try search.recipe(table, for: .size(bytes: bytes))
      #expect(choice.bytes <= bytes && choice.divergence <= last)
      last = choice.divergence
    }
    #expect(throws: TargetError.self) { try search.recipe(table, for: .size(bytes: smallest - 1)) }
    // The same is known before anything is measured.
    #expect(throws: TargetError.self) { try Target.size(bytes: smallest - 1).check(source) }
    #expect(throws: TargetError.self) { try Target.bitsPerWeight(0.1).check(source) }
    try Target.size(bytes: smallest).check(source)
    let largest = table.rows.reduce(table.otherBytes) { $0 + $1.choices.map(\.size).max()! }
    #expect(table.isExceeded(by: .size(bytes: largest + 1)) && !table.isExceeded(by: .size(bytes: largest)))
  }

  @Test func onlyAModelThatCameInHalvesOrMoreIsOfferedThem() throws {
    for (file, isOffered) in [("llama", true), ("llama-q8_0", false)] {
      let source = try Checkpoint(path: Fixtures.path("gguf/\(file).gguf"))
      let table = try Search(source, calibration: calibration(), on: pool).table()
      #expect(table.candidates.layers.contains(where: \.isHalf) == isOffered, "\(file)")
    }
  }

  @Test func aTableIsKeptForTheSameJobOnly() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "pith-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let source = try Checkpoint(path: Fixtures.path("models/llama"))
    func measured(_ source: Checkpoint) throws -> (SensitivityTable, Int) {
      let counter = Counter()
      let search = try Search(source, calibration: calibration(), on: pool)
      return (try search.table(cache: path) { _, _ in counter.count += 1 }, counter.count)
    }
    let (first, steps) = try measured(source)
    let (second, none) = try measured(source)
    #expect(steps > 0 && none == 0)
    #expect(first.rows.map(\.choices) == second.rows.map(\.choices))
    #expect(try measured(Checkpoint(path: Fixtures.path("models/qwen2"))).1 > 0)
    #expect(try measured(source).1 == 0)
  }

  @Test func encodersAreRefused() throws {
    #expect(throws: TargetError.encoder) {
      try Search(Checkpoint(path: Fixtures.path("models/bert")), calibration: calibration(), on: pool)
    }
  }

  private final class Counter { var count = 0 }

  /// What the knapsack counts on is what is stored.
  @Test(arguments: [(24, 64), (17, 100), (8, 576)])
  func candidatesKnowTheirBytes(rows: Int, columns: Int) throws {
    var generator = SeededGenerator(seed: 3)
    func noise(_ rows: Int) -> Matrix {
      Matrix(
        rows: rows, columns: columns, values: (0..<(rows * columns)).map { _ in generator.uniform() - 0.5 })
    }
    var observer = InputObserver(columns: columns)
    observer.add(noise(2 * columns))
    let weight = noise(rows)
    for candidate in Candidate.layers where !candidate.isSlow {
      let stored = try candidate.quantized(weight, observer.statistics, on: pool)
      #expect(stored.byteCount == candidate.bytes(rows: rows, columns: columns), "\(candidate.name)")
    }
  }
}
