import CPithKernels
import PithLinearAlgebra
import PithModels
import PithTensors
import PithWeights

/// The interpreter that differentiates: it computes as `Inference` does and keeps on a tape how, so that the gradient of a loss
/// can be carried back to the parameters (reverse accumulation; Griewank and Walther, Evaluating Derivatives, 2008).
///
///     var run = Differentiation(batch, parameters, pool: pool)
///     let loss = run.crossEntropy(decoder.states(batch.tokens, &run), behind: decoder.head, targets: targets)
///     run.runBack()                                   // parameters.list[…].gradient
///
/// Sequences begin in the batch. Of weights that are no parameters, the model's own are used.
public struct Differentiation: Operations {
  /// A matrix on the tape.
  public typealias Value = Variable

  /// The batch.
  public let batch: Batch
  /// The parameters that gradients are added to.
  public let parameters: Parameters
  /// The threads that share the work.
  public let pool: ThreadPool
  /// What is dropped.
  let dropout: Dropout?
  let tape = Tape()
  private var inference: Inference

  /// An interpreter for one batch.
  public init(_ batch: Batch, _ parameters: Parameters, dropout: Dropout? = nil, pool: ThreadPool) {
    self.batch = batch
    self.parameters = parameters
    self.dropout = dropout
    self.pool = pool
    inference = Inference(batch, pool: pool)
  }

  /// Adds to the gradients of all parameters; the tape is empty afterwards.
  public func runBack() { tape.runBack() }

  /// A value that follows from others, with what carries its gradient back to them.
  func result(_ value: Matrix, needsGradient: Bool, _ back: @escaping (Matrix) -> Void) -> Variable {
    let variable = Variable(value, needsGradient: needsGradient)
    if needsGradient {
      tape.record { if let gradient = variable.takeGradient() { back(gradient) } }
    }
    return variable
  }

  // MARK: - Operations

  /// Rows of a table; each adds its gradient to its row.
  public func embed(_ rows: [Int32], from table: Linear, scale: Float) -> Variable {
    let name = ParameterName.weight(table.place)
    let width = table.weight.columns
    let value: Matrix
    if let weight = parameters.value(name) {
      value = Matrix(rows: rows.count, columns: width) { target in
        // As in Inference, a token that the table has no row for embeds as zeros.
        target.initialize(repeating: 0)
        for (position, row) in rows.enumerated() where row >= 0 && row < weight.rows {
          for column in 0..<width {
            target[position * width + column] = scale * weight.values[Int(row) * width + column]
          }
        }
      }
    } else {
      value = inference.embed(rows, from: table, scale: scale)
    }
    return result(value, needsGradient: parameters.contains(name)) { [parameters] gradient in
      parameters.accumulate(name) { target in
        target.values.withUnsafeMutableBufferPointer { target in
          for (position, row) in rows.enumerated() where row >= 0 && row < table.weight.rows {
            for column in 0..<width {
              target[Int(row) * width + column] += scale * gradient.values[position * width + column]
            }
          }
        }
      }
    }
  }

  /// A norm; after that of the embeddings some values are dropped.
  public func normalize(_ x: Variable, _ norm: Norm) -> Variable {
    let now = parameters.resolved(norm)
    let trains = parameters.contains(.scale(norm.place))
    let y = result(inference.normalize(x.value, now), needsGradient: x.needsGradient || trains) {
      [parameters, pool] gradient in
      let (dx, dscale, dshift) = NormGradient.of(now, at: x.value, gradient, on: pool)
      parameters.accumulate(.scale(norm.place)) { $0.add(dscale) }
      parameters.accumulate(.shift(norm.place)) { $0.add(dshift) }
      x.accumulate(dx, on: pool)
    }
    return norm.place.role == .embedding ? drop(y, 1) : y
  }

  /// x · Wᵀ + b; of what goes back to the residual stream some values are dropped.
  public func project(_ x: Variable, _ maps: [Linear]) -> [Variable] {
    maps.map { map in
      let y = project(x, map)
      let goesBack = map.place.role == .attentionOutput || map.place.role == .down
      return goesBack ? drop(y, 2 + 2 * (map.place.layer ?? 0) + (map.place.role == .down ? 1 : 0)) : y
    }
  }

  private func project(_ x: Variable, _ map: Linear) -> Variable {
    let (weightName, biasName) = (ParameterName.weight(map.place), ParameterName.bias(map.place))
    let trains = parameters.contains(weightName) || parameters.contains(biasName)
    let seen = parameters.seen(x.value, by: weightName, on: pool)
    var value =
      parameters.value(weightName).map { seen.times($0, otherTransposed: true, on: pool) }
      ?? map.weight.multiply(x.value, on: pool)
    if let bias = parameters.value(biasName)?.values ?? map.bias { value.addToRows(bias) }
    let noise = parameters.variance(of: weightName).map {
      LocalReparametrization(x.value, variance: $0.values, seed: $0.seed, on: pool)
    }
    if let noise { value.add(noise.value) }
    return result(value, needsGradient: x.needsGradient || trains) { [parameters, pool] gradient in
      if let noise {
        let (dx, dlogVariance) = noise.carryBack(gradient, on: pool)
        parameters.accumulate(.variance(map.place)) { $0.add(dlogVariance) }
        x.accumulate(dx, on: pool)
      }
      parameters.accumulate(weightName) {
        $0.add(productOf: gradient, transposed: true, with: seen, on: pool)
      }
      parameters.accumulate(biasName) { $0.addRows(of: gradient) }
      if x.needsGradient {
        let weight = parameters.value(weightName) ?? map.weight.decoded(on: pool)
        x.accumulate(gradient.times(weight, on: pool), on: pool)
      }
    }
  }

  /// Turns by the angles; gradients are turned back.
  public mutating func rotate(_ x: Variable, headDimension: Int, _ rotary: Rotary) -> Variable {
    let value = inference.rotate(x.value, headDimension: headDimension, rotary)
    return result(value, needsGradient: x.needsGradient) { [inference, pool] gradient in
      var inference = inference
      x.accumulate(inference.rotate(gradient, headDimension: headDimension, rotary, back: true), on: pool)
    }
  }

  /// activation(gate) · up.
  public func gate(_ gate: Variable, _ up: Variable, _ activation: Activation) -> Variable {
    let value = inference.gate(gate.value, up.value, activation)
    return result(value, needsGradient: gate.needsGradient || up.needsGradient) {
      [inference, pool] gradient in
      // d(up) = dy · activation(gate); d(gate) = dy · up · activation′(gate).
      up.accumulate(inference.gate(gate.value, gradient, activation), on: pool)
      let factor = gradient.times(up.value, elementwiseOn: pool)
      gate.accumulate(activation.gradient(at: gate.value, factor, on: pool), on: pool)
    }
  }

  /// The nonlinearity.
  public func activate(_ x: Variable, _ activation: Activation) -> Variable {
    result(inference.activate(x.value, activation), needsGradient: x.needsGradient) { [pool] gradient in
      x.accumulate(activation.gradient(at: x.value, gradient, on: pool), on: pool)
    }
  }

  /// a + b.
  public func add(_ a: Variable, _ b: Variable) -> Variable {
    result(inference.add(a.value, b.value), needsGradient: a.needsGradient || b.needsGradient) {
      [pool] gradient in
      a.accumulate(gradient, on: pool)
      b.accumulate(gradient, on: pool)
    }
  }

  /// Some of the rows.
  public func select(_ x: Variable, rows: [Int]) -> Variable {
    result(inference.select(x.value, rows: rows), needsGradient: x.needsGradient) { [pool] gradient in
      var dx = Matrix(rows: x.value.rows, columns: x.value.columns)
      for (position, row) in rows.enumerated() {
        for column in 0..<dx.columns { dx[row, column] += gradient[position, column] }
      }
      x.accumulate(dx, on: pool)
    }
  }

  /// Softmax attention; what each position saw is computed again on the way back, so that it need not be kept.
  public func attend(
    _ queries: Variable, _ keys: Variable, _ values: Variable, _ attention: Attention
  ) -> Variable {
    let value = inference.attendWithin(queries.value, keys.value, values.value, attention)
    let needsGradient = queries.needsGradient || keys.needsGradient || values.needsGradient
    return result(value, needsGradient: needsGradient) { [batch, pool] gradient in
      let back = AttentionGradient(
        batch: batch, attention: attention, queries: queries.value, keys: keys.value, values: values.value)
      let (dq, dk, dv) = back.of(gradient, on: pool)
      queries.accumulate(dq, on: pool)
      keys.accumulate(dk, on: pool)
      values.accumulate(dv, on: pool)
    }
  }

  // MARK: - Less memory

  /// A part of a model of which only the input is kept; the rest is computed again on the way back (Chen et al., arXiv
  /// 1604.06174).
  public func recomputed(_ x: Variable, _ part: @escaping (inout Differentiation, Variable) -> Variable)
    -> Variable
  {
    let (batch, parameters, dropout, pool) = (batch, parameters, dropout, pool)
    func again(_ x: Variable) -> (Differentiation, Variable) {
      var run = Differentiation(batch, parameters, dropout: dropout, pool: pool)
      return (run, part(&run, x))
    }
    let value = again(Variable(x.value, needsGradient: false)).1.value
    return result(value, needsGradient: true) { gradient in
      let input = Variable(x.value, needsGradient: x.needsGradient)
      let (run, output) = again(input)
      output.accumulate(gradient, on: pool)
      run.runBack()
      if let dx = input.takeGradient() { x.accumulate(dx, on: pool) }
    }
  }
}
