import PithLinearAlgebra
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct InputTransformTests {
  /// W·T⁻¹ behind T is W: what is quantized later changes nothing before.
  @Test(arguments: ["awq", "smoothquant", "rotate"], [1, 12, 45, 96])
  func everyTransformIsTheIdentityInFloat(name: String, columns: Int) throws {
    let method = try #require(InputTransformMethod.named(name))
    let weight = Matrix.normal(rows: 9, columns: columns, seed: 3)
    let seen = InputStatistics.correlated(columns: columns, seed: 4)
    guard
      let transform = try method.transform(
        [weight], seen, options: method.defaults, quantizer: MethodOptions(bits: 3, groupSize: 16),
        on: pool)
    else { return }
    let stored = StoredMatrix.transformed(Transformed(transform, .dense(Dense(transform.behind(weight)))))
    let x = Matrix.correlated(rows: 5, columns: columns, seed: 8)
    let (before, after) = (
      StoredMatrix.dense(Dense(weight)).multiply(x, on: pool), stored.multiply(x, on: pool)
    )
    let size = before.values.map(abs).max()!
    for (a, b) in zip(before.values, after.values) { #expect(abs(a - b) < 1e-5 * size) }
    for (a, b) in zip(weight.values, stored.decoded().values) { #expect(abs(a - b) < 1e-5 * 4) }
  }

  @Test(arguments: ["awq", "smoothquant", "rotate"])
  func statisticsOfTransformedInputsAreThoseOfTheInputs(name: String) throws {
    let method = try #require(InputTransformMethod.named(name))
    let x = Matrix.correlated(rows: 300, columns: 24, seed: 5)
    var (observer, behind) = (InputObserver(columns: 24), InputObserver(columns: 24))
    observer.add(x)
    let seen = observer.statistics
    let transform = try #require(
      try method.transform(
        [Matrix.normal(rows: 9, columns: 24, seed: 3)], seen, options: method.defaults,
        quantizer: MethodOptions(bits: 3), on: pool))
    behind.add(transform.apply(x))
    let (expected, found) = (behind.statistics, seen.transformed(by: transform))
    let size = expected.hessian.values.map(abs).max()!
    for (a, b) in zip(expected.hessian.values, found.hessian.values) { #expect(abs(a - b) < 1e-4 * size) }
    if name != "rotate" {
      for (a, b) in zip(expected.maxMagnitude, found.maxMagnitude) { #expect(abs(a - b) <= 1e-3 * a) }
      for (a, b) in zip(expected.meanMagnitude, found.meanMagnitude) { #expect(abs(a - b) <= 1e-3 * a) }
    }
  }

  @Test func awqLosesLessThanRoundingWhereInputsDiffer() throws {
    let method = try #require(InputTransformMethod.named("awq"))
    for seed in UInt64(1)...5 {
      let weight = Matrix.normal(rows: 32, columns: 66, seed: seed)
      let seen = InputStatistics.correlated(columns: 66, seed: seed + 9)
      let options = MethodOptions(bits: 3, groupSize: 33)
      let transform = try #require(
        try method.transform([weight], seen, options: method.defaults, quantizer: options, on: pool))
      func loss(_ stored: StoredMatrix) -> Double { seen.relativeLoss(of: stored.decoded(), to: weight) }
      let rtn = try #require(CompressionMethod.named("rtn"))
      let plain = try rtn.quantize(weight, options: options, on: pool).matrix
      let scaled = try rtn.quantize(transform.behind(weight), options: options, on: pool).matrix
      #expect(loss(.transformed(Transformed(transform, scaled))) < loss(plain))
    }
  }

  /// The mean error of outputs, relative to what they are, of a weight behind a transform or none.
  private func outputError(
    _ transformName: String?, _ quantizerName: String, seed: UInt64,
    _ change: (inout MethodOptions) -> Void
  ) throws -> Double {
    let weight = Matrix.normal(rows: 48, columns: 96, seed: seed)
    let x = Matrix.correlated(rows: 512, columns: 96, seed: seed + 100)
    var observer = InputObserver(columns: 96)
    observer.add(x)
    var seen = observer.statistics
    let quantizer = try #require(CompressionMethod.named(quantizerName))
    var options = quantizer.defaults
    change(&options)
    var transform: InputTransform?
    if let transformName {
      let method = try #require(InputTransformMethod.named(transformName))
      transform = try method.transform([weight], seen, options: method.defaults, quantizer: options, on: pool)
    }
    if let transform { seen = seen.transformed(by: transform) }
    let inner = try quantizer.quantize(
      transform?.behind(weight) ?? weight, seen, options: options, on: pool
    ).matrix
    let stored = transform.map { StoredMatrix.transformed(Transformed($0, inner)) } ?? inner
    let (truth, found) = (x.times(weight, otherTransposed: true), stored.multiply(x, on: pool))
    let error = zip(truth.values, found.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    return error / truth.values.reduce(0.0) { $0 + Double($1 * $1) }
  }

  /// What a transform prepares is worth something to GPTQ too.
  @Test(arguments: ["rotate", "awq"])
  func beforeGPTQATransformLosesLess(name: String) throws {
    var (alone, behind, rounded) = (0.0, 0.0, 0.0)
    for seed in UInt64(1)...5 {
      let change = { (options: inout MethodOptions) in (options.bits, options.groupSize) = (3, 32) }
      alone += try outputError(nil, "gptq", seed: seed, change)
      behind += try outputError(name, "gptq", seed: seed, change)
      rounded += try outputError(name, "rtn", seed: seed, change)
    }
    #expect(behind < 0.95 * alone && behind < 0.95 * rounded, "\(behind) of \(alone) and \(rounded)")
  }

  /// With integers on both sides: SmoothQuant alone, GPTQ alone, and both.
  @Test func beforeGPTQOfIntegersSmoothingLosesLess() throws {
    var (alone, behind, rounded) = (0.0, 0.0, 0.0)
    for seed in UInt64(1)...5 {
      let change = { (options: inout MethodOptions) in
        (options.bits, options.groupSize, options.symmetric, options.activations) = (8, nil, true, .int8)
      }
      alone += try outputError(nil, "gptq", seed: seed, change)
      behind += try outputError("smoothquant", "gptq", seed: seed, change)
      rounded += try outputError("smoothquant", "rtn", seed: seed, change)
    }
    #expect(behind < alone && behind < 0.95 * rounded, "\(behind) of \(alone) and \(rounded)")
  }

  @Test func smoothingLevelsTheMaximaOfInputsAndWeights() throws {
    let weight = Matrix.normal(rows: 32, columns: 22, seed: 1)
    let seen = InputStatistics.correlated(columns: 22, seed: 2)
    let method = try #require(InputTransformMethod.named("smoothquant"))
    let transform = try #require(
      try method.transform(
        [weight], seen, options: method.defaults, quantizer: MethodOptions(), on: pool))
    let (inputs, weights) = (
      seen.transformed(by: transform).maxMagnitude, ColumnMagnitudes.largest([transform.behind(weight)])
    )
    // With α = ½ both become √(max|X_j|·max|W_j|).
    for (x, w) in zip(inputs, weights) { #expect(abs(x / w - 1) < 2e-3) }
  }

  @Test(arguments: [1, 2, 3, 8, 12, 576])
  func rotationsAreOrthogonalAndSpreadOutliers(size: Int) {
    let rotation = InputTransform.rotation(Rotation(size: size, seed: 7))
    var one = Matrix(rows: size, columns: size)
    for index in 0..<size { one[index, index] = 1 }
    let rows = rotation.apply(one)
    let product = rows.times(rows, otherTransposed: true)
    for (a, b) in zip(product.values, one.values) { #expect(abs(a - b) < 1e-5) }
    if size >= 8 {
      var spike = Matrix(rows: 1, columns: size)
      spike[0, 3] = 1
      #expect(rotation.apply(spike).values.map(abs).max()! < 0.75)
    }
    #expect(Rotation(size: size, seed: 7) == Rotation(size: size, seed: 7))
  }
}
