/// Spearman's rank correlation: Pearson's correlation of the ranks, ties sharing the mean of theirs.
///
/// - Returns: −1…1, or NaN where one side does not vary.
public func spearman(_ a: [Double], _ b: [Double]) -> Double {
  precondition(a.count == b.count, "\(a.count) values against \(b.count)")
  let (x, y) = (ranks(a), ranks(b))
  let mean = Double(a.count + 1) / 2
  var (xy, xx, yy) = (0.0, 0.0, 0.0)
  for (i, j) in zip(x, y) {
    xy += (i - mean) * (j - mean)
    xx += (i - mean) * (i - mean)
    yy += (j - mean) * (j - mean)
  }
  return xy / (xx * yy).squareRoot()
}

private func ranks(_ values: [Double]) -> [Double] {
  let order = values.indices.sorted { values[$0] < values[$1] }
  var ranks = [Double](repeating: 0, count: values.count)
  var start = 0
  while start < order.count {
    var end = start + 1
    while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
    for position in start..<end { ranks[order[position]] = Double(start + end + 1) / 2 }
    start = end
  }
  return ranks
}
