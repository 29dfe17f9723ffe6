import PithWeights

extension TensorTrain.Shape {
  /// A train of three cores of about equal sizes.
  ///
  /// - Parameter rank: the largest rank; nil for the largest that leaves at most half of the parameters.
  /// - Returns: nil if even ranks of 1 do not.
  package init?(rows: Int, columns: Int, rank: Int?) {
    let (outputs, inputs) = (Self.digits(atLeast: rows), Self.digits(exactly: columns))
    func shape(_ rank: Int) -> Self {
      let (first, last) = (outputs[0] * inputs[0], outputs[2] * inputs[2])
      // No rank is larger than what lies on either side of it.
      return Self(
        rows: rows, outputs: outputs, inputs: inputs,
        ranks: [
          min(rank, first, outputs[1] * inputs[1] * last), min(rank, last, outputs[1] * inputs[1] * first),
        ])
    }
    guard let rank else {
      // Parameters rise with the rank.
      var (low, high) = (0, max(rows, columns))
      while low < high {
        let middle = (low + high + 1) / 2
        if 2 * shape(middle).parameters <= rows * columns { low = middle } else { high = middle - 1 }
      }
      guard low > 0 else { return nil }
      self = shape(low)
      return
    }
    guard rank > 0 else { return nil }
    self = shape(rank)
  }

  /// Three sizes whose product is the number, the most equal ones.
  private static func digits(exactly number: Int) -> [Int] {
    var best = [1, 1, number]
    for a in 1...max(1, number) where a * a * a <= number && number % a == 0 {
      for b in a...max(a, number / a) where a * b * b <= number && number / a % b == 0 {
        if number / (a * b) - a < best[2] - best[0] { best = [a, b, number / (a * b)] }
      }
    }
    return best
  }

  /// Three sizes whose product is the number, or hardly larger where it has no divisors of about equal size.
  private static func digits(atLeast number: Int) -> [Int] {
    let exact = digits(exactly: number)
    if exact[2] <= 4 * exact[0] { return exact }
    var side = 1
    while side * side * side < number { side += 1 }
    let rest = (number + side - 1) / side
    var second = 1
    while second * second < rest { second += 1 }
    return [side, second, (number + side * second - 1) / (side * second)]
  }
}
