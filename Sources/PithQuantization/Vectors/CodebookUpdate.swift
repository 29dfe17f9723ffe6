import PithTensors

extension VectorApproximation {
  /// The share of the mean diagonal of the normal equations that holds codewords where they are.
  private static let ridge: Float = 1e-5

  /// Moves the codewords to where the loss is least for the codes as they are: least squares over all of them.
  ///
  /// With B the matrix that decodes, Ŵ = B·C, the step X solves (BᵀHB + λ)·X = Bᵀ·(W − BC)·H, by conjugate gradients:
  /// decoding, one product with H and gathering per step, so no normal matrix is ever made. Its diagonal, Σ s²·h over
  /// the weights that a component stands for, is the preconditioner: with one codebook and a diagonal H, a step is
  /// exact, the mean of the vectors that share a codeword.
  ///
  /// Sources: Babenko and Lempitsky, *Additive quantization*, section 3.2; AQLM, section 3.3.
  mutating func updateTables(toward weight: Matrix, _ metric: LossMetric, steps: Int, on pool: ThreadPool) {
    let diagonal = metric.diagonal
    let masses = Matrix(rows: rows, columns: columns) { target in
      for row in 0..<rows {
        for column in 0..<columns { target[row * columns + column] = diagonal[column] }
      }
    }
    var normal = gathered(masses, power: 2, on: pool)
    let lambda = Self.ridge * max(normal.reduce(0, +) / Float(normal.count), .leastNormalMagnitude)
    for index in normal.indices { normal[index] += lambda }

    var residual = gathered(metric.times(weight.subtracting(decoded(on: pool)), on: pool), on: pool)
    var solution = [Float](repeating: 0, count: residual.count)
    var preconditioned = zip(residual, normal).map { $0 / $1 }
    var direction = preconditioned
    var power = product(residual, preconditioned)
    let first = power
    for _ in 0..<steps {
      guard power > first * 1e-6, power > 0 else { break }
      var image = gathered(metric.times(decoded(tables: direction, on: pool), on: pool), on: pool)
      for index in image.indices { image[index] += lambda * direction[index] }
      let curvature = product(direction, image)
      guard curvature > 0 else { break }
      let step = Float(power / curvature)
      for index in solution.indices {
        solution[index] += step * direction[index]
        residual[index] -= step * image[index]
        preconditioned[index] = residual[index] / normal[index]
      }
      let next = product(residual, preconditioned)
      let turn = Float(next / power)
      power = next
      for index in direction.indices { direction[index] = preconditioned[index] + turn * direction[index] }
    }
    for index in tables.indices { tables[index] += solution[index] }
  }

  /// Gives each row the scale that leaves it the least loss: s = wHqᵀ / qHqᵀ with q the row without scale. A scale is
  /// a float16 number.
  mutating func updateScales(toward weight: Matrix, _ metric: LossMetric, on pool: ThreadPool) {
    guard var scales else { return }
    let plain = decoded(isScaled: false, on: pool)
    let image = metric.times(plain, on: pool)
    for row in 0..<rows {
      var (along, across): (Double, Double) = (0, 0)
      for index in (row * columns)..<((row + 1) * columns) {
        along += Double(image.values[index] * plain.values[index])
        across += Double(image.values[index] * weight.values[index])
      }
      guard along > 0, across > 0 else { continue }
      let best = Float(across / along)
      let rounded = Half.decode(Half.encode(best))
      if rounded.isFinite, abs(rounded - best) < abs(scales[row] - best) { scales[row] = rounded }
    }
    self.scales = scales
  }

  /// Rounds the codewords to float16, as they are stored.
  mutating func roundTables() {
    for index in tables.indices { tables[index] = Half.decode(Half.encode(tables[index])) }
  }

  private func product(_ a: [Float], _ b: [Float]) -> Double {
    var sum = 0.0
    for index in a.indices { sum += Double(a[index]) * Double(b[index]) }
    return sum
  }
}
