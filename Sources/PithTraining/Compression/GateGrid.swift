import PithTensors

/// Gates over blocks of a weight, which multiply what is in them: blocks of one weight each, the columns of a neuron or of a head, or
/// all of it. Learned are the weight, and log α of each block's gate.
struct GateGrid {
  /// Rows of a block.
  let blockRows: Int
  /// Columns of a block.
  let blockColumns: Int

  /// A weight, and gates that are open.
  func factors(of weight: Matrix) -> [Matrix] {
    let (rows, columns) = (
      (weight.rows + blockRows - 1) / blockRows, (weight.columns + blockColumns - 1) / blockColumns
    )
    let start = [Float](repeating: HardConcrete.start, count: rows * columns)
    return [weight, Matrix(rows: rows, columns: columns, values: start)]
  }

  /// The weight times its gates, as they are drawn from a seed, or without one as they are in use.
  func weight(_ factors: [Matrix], noise seed: UInt64?, on pool: ThreadPool?) -> Matrix {
    let gates = gates(factors[1], noise: seed, on: pool).gates
    var weight = factors[0]
    let columns = weight.columns
    weight.values.withUnsafeMutableBufferPointer { target in
      nonisolated(unsafe) let target = target
      shared(weight.rows, on: pool) { rows in
        for row in rows {
          let gateRow = row / blockRows * gates.columns
          for column in 0..<columns {
            target[row * columns + column] *= gates.values[gateRow + column / blockColumns]
          }
        }
      }
    }
    return weight
  }

  /// Adds the gradients of the weight and of log α to those that are there.
  func carryBack(
    _ gradient: Matrix, _ factors: [Matrix], noise seed: UInt64?, into gradients: inout [Matrix],
    on pool: ThreadPool?
  ) {
    let (gates, slopes) = gates(factors[1], noise: seed, on: pool)
    let (weight, columns) = (factors[0], gradient.columns)
    var (dw, dlogAlpha) = (gradients[0], gradients[1])
    gradients.removeAll()
    dw.values.withUnsafeMutableBufferPointer { dw in
      dlogAlpha.values.withUnsafeMutableBufferPointer { dlogAlpha in
        nonisolated(unsafe) let (dw, dlogAlpha) = (dw, dlogAlpha)
        // Rows of blocks do not share gates.
        shared(gates.rows, on: pool) { gateRows in
          for gateRow in gateRows {
            for row in (gateRow * blockRows)..<min((gateRow + 1) * blockRows, gradient.rows) {
              for column in 0..<columns {
                let (place, gate) = (row * columns + column, gateRow * gates.columns + column / blockColumns)
                dw[place] += gradient.values[place] * gates.values[gate]
                dlogAlpha[gate] += gradient.values[place] * weight.values[place] * slopes.values[gate]
              }
            }
          }
        }
      }
    }
    gradients = [dw, dlogAlpha]
  }

  /// The gates, and their derivatives with respect to log α.
  private func gates(_ logAlpha: Matrix, noise seed: UInt64?, on pool: ThreadPool?) -> (
    gates: Matrix, slopes: Matrix
  ) {
    let columns = logAlpha.columns
    var gates = logAlpha
    var slopes = Matrix(rows: logAlpha.rows, columns: columns)
    gates.values.withUnsafeMutableBufferPointer { gates in
      slopes.values.withUnsafeMutableBufferPointer { slopes in
        nonisolated(unsafe) let (gates, slopes) = (gates, slopes)
        shared(logAlpha.rows, on: pool) { rows in
          for row in rows {
            var generator = seed.map { SeededGenerator(seed: $0 &+ UInt64(row) &* 0xD6E8_FEB8_6659_FD93) }
            for place in (row * columns)..<((row + 1) * columns) {
              if generator == nil {
                gates[place] = HardConcrete.gate(gates[place])
              } else {
                let u = Double(generator!.uniform()) + 0x1p-25
                let noise = Float(Elementary.log(u / (1 - u)))
                (gates[place], slopes[place]) = HardConcrete.sample(gates[place], noise: noise)
              }
            }
          }
        }
      }
    }
    return (gates, slopes)
  }
}
