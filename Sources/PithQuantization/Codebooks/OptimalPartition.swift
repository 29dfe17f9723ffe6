/// A value on the line, and how much it counts.
struct Point {
  var value: Double
  var mass: Double
}

/// The partition of points on a line in a number of parts with the least squared distance to the parts' means.
///
/// With S₀ and S₁ the sums of masses and of mass · value before a point, a part i..<j adds
/// (S₁(j) − S₁(i))²/(S₀(j) − S₀(i)) to what is to be made largest; the rest of the squared distance is constant.
/// The best partition of the first j points in k parts follows from those in k − 1 parts:
///
///     best(k, j) = max over i of best(k − 1, i) + gain(i, j)
///
/// and the best i never falls as j rises, so all j of a layer take O(n log n) by divide and conquer, and the
/// whole O(parts · n log n). Source: Wu, *Optimal quantization by matrix searching*, J. Algorithms 12, 1991.
enum OptimalPartition {
  /// The parts' means, in rising order: `parts` of them, or one per distinct value if there are fewer.
  ///
  /// - Parameter points: in rising order, at least one, with masses ≥ 0.
  static func means(of points: [Point], parts: Int) -> [Float] {
    let points = distinct(points)
    guard points.count > parts else { return points.map { Float($0.value) } }
    // About the mean of all, sums of nearly equal values keep their digits.
    let mass = points.reduce(0) { $0 + $1.mass }
    let mean = points.reduce(0) { $0 + $1.mass * $1.value } / mass
    var sums = [(mass: 0.0, moment: 0.0)]
    sums.reserveCapacity(points.count + 1)
    for point in points {
      let last = sums[sums.count - 1]
      sums.append((last.mass + point.mass, last.moment + point.mass * (point.value - mean)))
    }
    let edges = edges(sums: sums, parts: parts)
    return zip(edges, edges.dropFirst()).map { start, end in
      Float(mean + (sums[end].moment - sums[start].moment) / (sums[end].mass - sums[start].mass))
    }
  }

  /// Points of equal value made one, without those too light to be seen beside the heaviest in a sum.
  private static func distinct(_ points: [Point]) -> [Point] {
    let heaviest = points.reduce(0) { max($0, $1.mass) }
    var merged: [Point] = []
    for point in points where point.mass > heaviest * 1e-10 {
      if let last = merged.last, last.value == point.value {
        merged[merged.count - 1].mass += point.mass
      } else {
        merged.append(point)
      }
    }
    return merged.isEmpty ? [points[0]] : merged
  }

  /// Where the parts begin, and where the last one ends: `parts + 1` indices.
  private static func edges(sums: [(mass: Double, moment: Double)], parts: Int) -> [Int] {
    let count = sums.count - 1
    var best = (0...count).map { $0 == 0 ? 0 : sums[$0].moment * sums[$0].moment / sums[$0].mass }
    var next = best
    // starts[k][j]: where the last of k + 2 parts of the first j points begins.
    var starts: [[Int32]] = []
    for part in 1..<parts {
      // Leave a point for each part before and after; of the last layer only the end is wanted.
      let ends = (part == parts - 1 ? count : part + 1)...(count - (parts - 1 - part))
      var layer = [Int32](repeating: 0, count: count + 1)
      sums.withUnsafeBufferPointer { sums in
        best.withUnsafeBufferPointer { best in
          next.withUnsafeMutableBufferPointer { next in
            layer.withUnsafeMutableBufferPointer { layer in
              fill(ends, from: part, to: count - 1, sums, best, next, layer)
            }
          }
        }
      }
      swap(&best, &next)
      starts.append(layer)
    }
    var end = count
    var edges = [count]
    for layer in starts.reversed() {
      end = Int(layer[end])
      edges.append(end)
    }
    return [0] + edges.reversed()
  }

  /// Fills a layer for the ends in a range, whose last parts start in `low...high`: the middle end first, whose
  /// best start then bounds those of the others.
  private static func fill(
    _ ends: ClosedRange<Int>, from low: Int, to high: Int,
    _ sums: UnsafeBufferPointer<(mass: Double, moment: Double)>, _ best: UnsafeBufferPointer<Double>,
    _ next: UnsafeMutableBufferPointer<Double>, _ starts: UnsafeMutableBufferPointer<Int32>
  ) {
    let end = (ends.lowerBound + ends.upperBound) / 2
    var (start, most) = (low, -Double.infinity)
    for candidate in low...min(high, end - 1) {
      let moment = sums[end].moment - sums[candidate].moment
      let value = best[candidate] + moment * moment / (sums[end].mass - sums[candidate].mass)
      if value > most { (start, most) = (candidate, value) }
    }
    next[end] = most
    starts[end] = Int32(start)
    if ends.lowerBound < end {
      fill(ends.lowerBound...(end - 1), from: low, to: start, sums, best, next, starts)
    }
    if end < ends.upperBound {
      fill((end + 1)...ends.upperBound, from: start, to: high, sums, best, next, starts)
    }
  }
}
