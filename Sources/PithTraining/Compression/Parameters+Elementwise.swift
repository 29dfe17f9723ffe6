import PithTensors

extension Parameters {
  /// Adds to the gradient of a value, element by element.
  func addToGradient(of place: Int, on pool: ThreadPool, _ amount: (_ index: Int) -> Float) {
    list[place].gradient.values.withUnsafeMutableBufferPointer { gradient in
      nonisolated(unsafe) let gradient = gradient
      pool.forEach(count: gradient.count, grain: 4096) { range in
        for index in range { gradient[index] += amount(index) }
      }
    }
  }

  /// Puts other elements in the place of those of a value.
  func change(_ place: Int, _ other: (_ index: Int, _ value: Float) -> Float) {
    list[place].value.values.withUnsafeMutableBufferPointer { values in
      for index in values.indices { values[index] = other(index, values[index]) }
    }
  }
}

extension ThreadPool {
  /// The sum of what `part` finds for parts of a range, which does not depend on the number of threads.
  func sum(count: Int, _ part: (Range<Int>) -> Double) -> Double {
    let size = 4096
    var sums = [Double](repeating: 0, count: (count + size - 1) / size)
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      forEach(count: sums.count, grain: 1) { parts in
        for index in parts { sums[index] = part((index * size)..<min((index + 1) * size, count)) }
      }
    }
    return sums.reduce(0, +)
  }
}

extension Matrix {
  /// eˣ of each element.
  func exponential(on pool: ThreadPool) -> Matrix {
    Matrix(rows: rows, columns: columns) { target in
      nonisolated(unsafe) let target = target
      pool.forEach(count: target.count, grain: 4096) { range in
        for index in range { target[index] = Float(Elementary.exp(Double(values[index]))) }
      }
    }
  }
}
