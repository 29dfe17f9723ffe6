import PithTensors

extension Parameters {
  /// √Σ g² over the gradients of all parameters.
  ///
  /// Sums are taken part by part in double precision, so they do not depend on the number of threads.
  public func gradientNorm(on pool: ThreadPool) -> Double {
    let part = 16_384
    var total = 0.0
    for parameter in list {
      let count = parameter.gradient.values.count
      var sums = [Double](repeating: 0, count: (count + part - 1) / part)
      sums.withUnsafeMutableBufferPointer { sums in
        parameter.gradient.values.withUnsafeBufferPointer { values in
          nonisolated(unsafe) let (sums, values) = (sums, values)
          pool.forEach(count: sums.count, grain: 1) { range in
            for index in range {
              var lanes = SIMD8<Double>(repeating: 0)
              let (start, end) = (index * part, min((index + 1) * part, count))
              for i in stride(from: start, to: end - (end - start) % 8, by: 8) {
                for lane in 0..<8 { lanes[lane] += Double(values[i + lane]) * Double(values[i + lane]) }
              }
              var sum = lanes.sum()
              for i in (end - (end - start) % 8)..<end { sum += Double(values[i]) * Double(values[i]) }
              sums[index] = sum
            }
          }
        }
      }
      total += sums.reduce(0, +)
    }
    return total.squareRoot()
  }
}
