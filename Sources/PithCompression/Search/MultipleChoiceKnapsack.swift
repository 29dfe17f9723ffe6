/// One choice from each of several lists, so that the total size stays within a limit and the total cost is least: the
/// multiple-choice knapsack, solved exactly by dynamic programming over sizes.
///
/// Sizes are counted in units, each rounded up, so that the limit holds; the solution is the best of all whose rounded
/// sizes fit. O(lists · choices · units). Source: Kellerer, Pferschy, Pisinger, *Knapsack Problems*, 2004, section 11.5.
public enum MultipleChoiceKnapsack {
  /// What one choice takes and costs.
  public struct Choice: Sendable, Equatable {
    /// Its size, not negative.
    public var size: Int
    /// Its cost, finite.
    public var cost: Double

    /// A choice.
    public init(size: Int, cost: Double) {
      self.size = size
      self.cost = cost
    }
  }

  /// The most units that the limit is counted in.
  private static let mostUnits = 200_000

  /// The choice of each list; nil if even the smallest of all do not fit.
  public static func solve(_ lists: [[Choice]], limit: Int) -> [Int]? {
    guard !lists.contains(where: \.isEmpty), limit >= 0 else { return nil }
    let least = lists.reduce(0) { $0 + $1.map(\.size).min()! }
    guard least <= limit else { return nil }
    // What all must take at least is no matter of choice: units are spent on the rest.
    let spare = limit - least
    let unit = max(1, (spare + mostUnits - 1) / mostUnits)
    let units = spare / unit
    var costs = [Double](repeating: 0, count: units + 1)
    var decisions: [[UInt8]] = []
    for list in lists {
      let smallest = list.map(\.size).min()!
      let extras = list.map { ($0.size - smallest + unit - 1) / unit }
      var next = [Double](repeating: .infinity, count: units + 1)
      var decision = [UInt8](repeating: 0, count: units + 1)
      for (index, choice) in list.enumerated() where extras[index] <= units {
        for total in extras[index]...units {
          let cost = costs[total - extras[index]] + choice.cost
          if cost < next[total] {
            next[total] = cost
            decision[total] = UInt8(index)
          }
        }
      }
      costs = next
      decisions.append(decision)
    }
    var left = units
    var chosen = [Int](repeating: 0, count: lists.count)
    for index in lists.indices.reversed() {
      let choice = Int(decisions[index][left])
      chosen[index] = choice
      left -= (lists[index][choice].size - lists[index].map(\.size).min()! + unit - 1) / unit
    }
    return chosen
  }
}
