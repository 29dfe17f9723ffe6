import Foundation
import PithModels
import PithTraining
import PithWeights

/// The interpreter that computes in double precision, as simply as can be: the oracle of gradients.
struct DoublePrecision: Operations {
  struct Value {
    var rows: Int
    var columns: Int
    var values: [Double]

    subscript(row: Int, column: Int) -> Double {
      get { values[row * columns + column] }
      set { values[row * columns + column] = newValue }
    }
  }

  let batch: Batch
  /// Values in the place of the model's own.
  var parameters: [ParameterName: [Double]]

  private func value(_ name: ParameterName, _ own: @autoclosure () -> [Float]) -> [Double] {
    parameters[name] ?? own().map(Double.init)
  }

  func embed(_ rows: [Int32], from table: Linear, scale: Float) -> Value {
    let width = table.weight.columns
    let weight = value(.weight(table.place), table.weight.decoded().values)
    let picked = rows.flatMap { row in (0..<width).map { weight[Int(row) * width + $0] * Double(scale) } }
    return Value(rows: rows.count, columns: width, values: picked)
  }

  func normalize(_ x: Value, _ norm: Norm) -> Value {
    let width = norm.weight.count
    let scale = value(.scale(norm.place), norm.weight)
    var y = x
    for start in stride(from: 0, to: x.values.count, by: width) {
      let run = Array(x.values[start..<(start + width)])
      switch norm.kind {
      case .rootMeanSquare:
        let root = (run.reduce(0) { $0 + $1 * $1 } / Double(width) + Double(norm.epsilon)).squareRoot()
        for i in 0..<width { y.values[start + i] = run[i] / root * scale[i] }
      case .layer(let bias):
        let shift = value(.shift(norm.place), bias)
        let mean = run.reduce(0, +) / Double(width)
        let variance = run.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
        let root = (variance + Double(norm.epsilon)).squareRoot()
        for i in 0..<width { y.values[start + i] = (run[i] - mean) / root * scale[i] + shift[i] }
      }
    }
    return y
  }

  func project(_ x: Value, _ maps: [Linear]) -> [Value] {
    maps.map { map in
      let weight = value(.weight(map.place), map.weight.decoded().values)
      let bias = map.bias.map { value(.bias(map.place), $0) }
      var y = Value(
        rows: x.rows, columns: map.weight.rows, values: Array(repeating: 0, count: x.rows * map.weight.rows))
      for row in 0..<x.rows {
        for output in 0..<y.columns {
          y[row, output] = (0..<x.columns).reduce(bias?[output] ?? 0) {
            $0 + x[row, $1] * weight[output * x.columns + $1]
          }
        }
      }
      return y
    }
  }

  func rotate(_ x: Value, headDimension: Int, _ rotary: Rotary) -> Value {
    let frequencies = rotary.frequencies(dimension: headDimension)
    var y = x
    for row in 0..<x.rows {
      for head in stride(from: 0, to: x.columns, by: headDimension) {
        for (i, frequency) in frequencies.enumerated() {
          let angle = Double(batch.positions[row]) * Double(frequency)
          let (a, b) = (x[row, head + i], x[row, head + i + headDimension / 2])
          y[row, head + i] = a * cos(angle) - b * sin(angle)
          y[row, head + i + headDimension / 2] = b * cos(angle) + a * sin(angle)
        }
      }
    }
    return y
  }

  func attend(_ queries: Value, _ keys: Value, _ values: Value, _ attention: Attention) -> Value {
    var y = Value(
      rows: queries.rows, columns: queries.columns, values: Array(repeating: 0, count: queries.values.count))
    let d = attention.headDimension
    for run in batch.runs {
      for head in 0..<attention.heads {
        let memory = head / (attention.heads / attention.keyValueHeads)
        for (index, row) in run.rows.enumerated() {
          let seen = attention.reach.positions(seenFrom: index, of: run.rows.count).map {
            run.rows.lowerBound + $0
          }
          let scores = seen.map { other in
            Double(attention.scale)
              * (0..<d).reduce(0) { $0 + queries[row, head * d + $1] * keys[other, memory * d + $1] }
          }
          let highest = scores.max()!
          let shares = scores.map { exp($0 - highest) }
          let total = shares.reduce(0, +)
          for (share, other) in zip(shares, seen) {
            for i in 0..<d { y[row, head * d + i] += share / total * values[other, memory * d + i] }
          }
        }
      }
    }
    return y
  }

  func gate(_ gate: Value, _ up: Value, _ activation: Activation) -> Value {
    var y = activate(gate, activation)
    for index in y.values.indices { y.values[index] *= up.values[index] }
    return y
  }

  func activate(_ x: Value, _ activation: Activation) -> Value {
    var y = x
    y.values = x.values.map { x in
      switch activation {
      case .silu: x / (1 + exp(-x))
      case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
      case .geluTanh:
        0.5 * x * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      case .relu: max(0, x)
      case .tanh: Foundation.tanh(x)
      }
    }
    return y
  }

  func add(_ a: Value, _ b: Value) -> Value {
    var y = a
    for index in y.values.indices { y.values[index] += b.values[index] }
    return y
  }

  func select(_ x: Value, rows: [Int]) -> Value {
    Value(
      rows: rows.count, columns: x.columns,
      values: rows.flatMap { x.values[($0 * x.columns)..<(($0 + 1) * x.columns)] })
  }

  /// The mean cross-entropy of rows of logits.
  func crossEntropy(_ logits: Value, targets: [Int32], smoothing: Double = 0) -> Double {
    var (sum, count) = (0.0, 0)
    for (row, target) in targets.enumerated() where target >= 0 {
      let scores = Array(logits.values[(row * logits.columns)..<((row + 1) * logits.columns)])
      let highest = scores.max()!
      let total = highest + log(scores.reduce(0) { $0 + exp($1 - highest) })
      sum += (1 - smoothing) * (total - scores[Int(target)])
      sum += smoothing * (total - scores.reduce(0, +) / Double(scores.count))
      count += 1
    }
    return sum / Double(count)
  }
}
