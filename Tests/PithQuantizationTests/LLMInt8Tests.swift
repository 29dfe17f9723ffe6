import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct LLMInt8Tests {
  /// Inputs of about 1, but for two features that are far larger in a few tokens.
  static let x: Matrix = {
    var x = Matrix.normal(rows: 24, columns: 96, seed: 71, scale: 0.8)
    for token in stride(from: 0, to: 24, by: 3) { (x[token, 11], x[token, 70]) = (60, -45) }
    return x
  }()
  static let weight = Matrix.normal(rows: 40, columns: 96, seed: 72, scale: 0.05)
  static let statistics: InputStatistics = {
    var observer = InputObserver(columns: 96)
    observer.add(x)
    return observer.statistics
  }()

  /// Σ(y − x·Wᵀ)², relative to Σ(x·Wᵀ)².
  static func loss(_ stored: StoredMatrix) -> Double {
    let exact = StoredMatrix.dense(Dense(weight)).multiply(x, on: pool)
    let y = stored.multiply(x, on: pool)
    let error = zip(y.values, exact.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    return error / exact.values.reduce(0.0) { $0 + Double($1 * $1) }
  }

  static func stored(
    _ statistics: InputStatistics? = nil, _ change: (inout MethodOptions) -> Void = { _ in }
  ) throws -> StoredMatrix {
    let method = try #require(CompressionMethod.named("llm-int8"))
    var options = method.defaults
    change(&options)
    return try method.quantize(weight, statistics, options: options, on: pool).matrix
  }

  @Test func outliersApartLeaveFarLessErrorThanPlainInt8() throws {
    let plain = Self.loss(try Self.stored { $0.threshold = nil })
    let found = Self.loss(try Self.stored())
    let fixed = Self.loss(try Self.stored(Self.statistics) { $0.fixedOutliers = true })
    #expect(found < plain / 4 && fixed < plain / 4, "\(found) and \(fixed) against \(plain)")
  }

  @Test func calibrationFindsTheFeaturesThatReachTheThreshold() throws {
    let stored = try Self.stored(Self.statistics) { $0.fixedOutliers = true }
    guard case .transformed(let whole) = stored, case .permutation(let order) = whole.transform,
      case .split(let split) = whole.inner, case .integer(let rest) = split.parts[0],
      case .dense(let apart) = split.parts[1]
    else { throw WrongStorage() }
    #expect(order.array(of: UInt16.self).suffix(2) == [11, 70])
    #expect(rest.columns == 94 && rest.threshold == nil && apart.format == .float16)
    let decoded = stored.decoded()
    for row in 0..<40 {
      for column in [11, 70] {
        #expect(decoded[row, column] == Half.decode(Half.encode(Self.weight[row, column])))
      }
      for column in 0..<96 { #expect(abs(decoded[row, column] - Self.weight[row, column]) < 0.002) }
    }
  }

  @Test func theWeightsAreThoseOfSymmetricRounding() throws {
    let rounded = try quantized("rtn", Self.weight) {
      $0 = MethodOptions(bits: 8, groupSize: nil, symmetric: true)
    }
    #expect(try Self.stored().decoded() == rounded.decoded())
  }

  @Test func withoutOutliersAllIsInteger() throws {
    let stored = try Self.stored(Self.statistics) { ($0.fixedOutliers, $0.threshold) = (true, 1000) }
    guard case .integer(let product) = stored else { throw WrongStorage() }
    #expect(product.threshold == nil)
    let all = try Self.stored(Self.statistics) { ($0.fixedOutliers, $0.threshold) = (true, 1e-6) }
    #expect(!all.isPacked)
  }

  @Test func fixedOutliersNeedCalibrationAndAThresholdIsPositive() {
    #expect(throws: MethodError.noStatistics(method: "llm-int8 with fixed outliers")) {
      try Self.stored { $0.fixedOutliers = true }
    }
    for threshold in [0, -1, Float.infinity] {
      #expect(throws: MethodError.threshold(threshold)) { try Self.stored { $0.threshold = threshold } }
    }
  }

  @Test func scalesThatAreNotFloat16StayAsTheyAre() {
    let codes = Packing.pack([UInt8(1), 128, 255, 7], rows: 2, bits: 8)
    for (scales, areHalf) in [([Float(0.5), 2], true), ([0.1, 2], false)] {
      let product = RowIntegers.product(
        codes: codes, scales: scales, columns: 2, bits: 8, activations: .int8)
      if case .float16 = product.scales { #expect(areHalf) } else { #expect(!areHalf) }
      let decoded = StoredMatrix.integer(product).decoded().values
      #expect(decoded == [scales[0] * -127, 0, scales[1] * 127, scales[1] * -121])
    }
  }
}
