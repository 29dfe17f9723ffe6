/// How many weights a pruning method removes, and where.
///
///     Sparsity("0.5")      // half of them
///     Sparsity("2:4")      // two of each four consecutive columns of a row
public enum Sparsity: Sendable, Equatable {
  /// A share of the weights, from 0 to below 1.
  case share(Float)

  /// So many of each `count` consecutive columns of a row; a rest of fewer columns stays as it is.
  case pattern(zeros: Int, of: Int)

  /// The sparsity that a text says; nil if it says none.
  public init?(_ text: String) {
    if let share = Float(text) {
      guard (0..<1).contains(share) else { return nil }
      self = .share(share)
      return
    }
    let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let zeros = numbers[0], let count = numbers[1], zeros >= 0, zeros < count,
      count <= Self.largestCount
    else { return nil }
    self = .pattern(zeros: zeros, of: count)
  }

  /// The most columns of a pattern.
  public static let largestCount = 256

  /// The text that says it.
  public var text: String {
    switch self {
    case .share(let share): "\(share)"
    case .pattern(let zeros, let count): "\(zeros):\(count)"
    }
  }
}
