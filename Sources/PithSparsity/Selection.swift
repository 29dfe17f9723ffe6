/// The value that stands at a place once some are sorted, found without sorting them (Hoare, Find, Comm. ACM 4, 1961).
///
/// - Parameter place: from 0; there are more values than that.
func value(at place: Int, ofSorted values: some Sequence<Float>) -> Float {
  var values = Array(values)
  return values.withUnsafeMutableBufferPointer { values in
    var (low, high) = (0, values.count - 1)
    while low < high {
      let ends = (values[low], values[(low + high) / 2], values[high])
      let pivot = max(min(ends.0, ends.1), min(max(ends.0, ends.1), ends.2))
      var (i, j) = (low, high)
      while i <= j {
        while values[i] < pivot { i += 1 }
        while values[j] > pivot { j -= 1 }
        if i <= j {
          values.swapAt(i, j)
          (i, j) = (i + 1, j - 1)
        }
      }
      // Up to j nothing is above the pivot, from i on nothing below it, and what lies between equals it.
      if place <= j {
        high = j
      } else if place >= i {
        low = i
      } else {
        break
      }
    }
    return values[place]
  }
}
