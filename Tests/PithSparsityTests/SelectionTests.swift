import PithTensors
import Testing

@testable import PithSparsity

struct SelectionTests {
  @Test(arguments: [1, 2, 3, 10, 100, 1001]) func theValueOfAPlaceIsThatOfSorting(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    // Of few levels many are equal.
    for levels: Float in [1, 2, 5, 1e6] {
      let values = (0..<count).map { _ in (levels * generator.uniform()).rounded() - levels / 2 }
      let orders = [values, values.sorted(), values.sorted(by: >)]
      let sorted = values.sorted()
      for place in Set([0, count / 3, count / 2, count - 1]) {
        for order in orders { #expect(value(at: place, ofSorted: order) == sorted[place]) }
      }
    }
  }
}
