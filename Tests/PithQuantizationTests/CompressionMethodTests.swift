import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct CompressionMethodTests {
  static let names = CompressionMethod.quantization.map(\.name)

  @Test func theTableNamesEachMethodOnceAndItsDefaultsAreLegal() throws {
    #expect(Set(Self.names).count == Self.names.count)
    #expect(CompressionMethod.named("none") == nil)
    for method in CompressionMethod.quantization {
      #expect(throws: Never.self) { try method.check(method.defaults) }
      #expect(!method.summary.contains("\n") && !method.paper.isEmpty)
    }
  }

  @Test(arguments: names, Shape.odd)
  func everyMethodKeepsTheShapeAndIsFinite(name: String, shape: Shape) throws {
    let weight = Matrix.normal(rows: shape.rows, columns: shape.columns, seed: 51)
    let takesGroups = try #require(CompressionMethod.named(name)).options.contains(.groupSize)
    let stored = try quantized(name, weight) { if takesGroups { $0.groupSize = shape.groupSize } }
    #expect(stored.rows == shape.rows && stored.columns == shape.columns)
    let decoded = stored.decoded()
    let largest = weight.values.map(abs).max()!
    for value in decoded.values { #expect(abs(value) <= 1.2 * largest) }
  }

  @Test(arguments: names)
  func theSameInputGivesTheSameBytesOnAnyNumberOfThreads(name: String) throws {
    let weight = Matrix.normal(rows: 600, columns: 130, seed: 52)
    let method = try #require(CompressionMethod.named(name))
    let seen = method.calibration == .none ? nil : InputStatistics.correlated(columns: 130, seed: 3)
    func run(_ threads: Int) throws -> [NamedTensor] {
      try method.quantize(weight, seen, options: method.defaults, on: ThreadPool(threads: threads)).matrix
        .tensors
    }
    let once = try run(1)
    for threads in [1, 2, 5] {
      #expect(try run(threads) == once)
    }
  }

  @Test(arguments: names)
  func moreBitsNeverHurt(name: String) throws {
    let weight = Matrix.normal(rows: 16, columns: 256, seed: 53)
    let method = try #require(CompressionMethod.named(name))
    let seen = InputStatistics.correlated(columns: 256, seed: 9)
    var last = Double.infinity
    // Vectors of more bits are here as many as codewords.
    for bits in method.bits where bits <= 8 {
      let stored = try quantized(name, weight) { $0.bits = bits }
      let isPlain = method.defaults.loss == .plain
      let now = isPlain ? error(weight, stored) : seen.relativeLoss(of: stored.decoded(), to: weight)
      #expect(now < last, "\(now) at \(bits) bits")
      last = now
    }
  }

  @Test(arguments: names)
  func aWeightThatIsNotFiniteIsRefusedWithItsPlace(name: String) {
    for bad in [Float.nan, .infinity, -.infinity] {
      var weight = Matrix.normal(rows: 4, columns: 9, seed: 54)
      weight[2, 7] = bad
      #expect(throws: MethodError.notFinite(row: 2, column: 7)) { try quantized(name, weight) }
    }
  }

  @Test(arguments: names)
  func anEmptyWeightIsRefused(name: String) {
    #expect(throws: MethodError.empty(rows: 0, columns: 8)) {
      try quantized(name, Matrix(rows: 0, columns: 8))
    }
    #expect(throws: MethodError.empty(rows: 8, columns: 0)) {
      try quantized(name, Matrix(rows: 8, columns: 0))
    }
  }

  @Test(arguments: names)
  func optionsOutOfRangeAreRefusedByName(name: String) throws {
    let method = try #require(CompressionMethod.named(name))
    for bits in [-1, 0, method.bits.last! + 1, 64] {
      let expected = MethodError.bits(bits, allowed: method.bits, method: name)
      #expect(throws: expected) { try quantized(name, Matrix(rows: 1, columns: 1)) { $0.bits = bits } }
      #expect(expected.description.contains("bits is \(bits)"))
    }
    let groupless = MethodError.unusedOption(.groupSize, method: name)
    #expect(throws: method.options.contains(.groupSize) ? .groupSize(0) : groupless) {
      try quantized(name, Matrix(rows: 1, columns: 1)) { $0.groupSize = 0 }
    }
  }

  @Test func anOptionThatAMethodDoesNotReadIsRefused() throws {
    let weight = Matrix.normal(rows: 2, columns: 8, seed: 55)
    #expect(throws: MethodError.unusedOption(.symmetric, method: "nf4")) {
      try quantized("nf4", weight) { $0.symmetric = true }
    }
    #expect(throws: MethodError.unusedOption(.rangeSearch, method: "kmeans")) {
      try quantized("kmeans", weight) { $0.rangeSearch = .squaredError }
    }
    #expect(throws: MethodError.unusedOption(.doubleQuantization, method: "rtn")) {
      try quantized("rtn", weight) { $0.doubleQuantization = true }
    }
    #expect(throws: MethodError.unusedOption(.tablePerRow, method: "af4")) {
      try quantized("af4", weight) { $0.tablePerRow = true }
    }
    #expect(throws: MethodError.unusedOption(.threshold, method: "rtn")) {
      try quantized("rtn", weight) { $0.threshold = 6 }
    }
    #expect(throws: MethodError.unusedOption(.fixedOutliers, method: "rtn")) {
      try quantized("rtn", weight) { $0.fixedOutliers = true }
    }
  }

  @Test func aFixedTableScaledPerBlockIsExactOnItsOwnValues() throws {
    let weight = Matrix(rows: 1, columns: 16, values: NormalFloat.values.map { $0 * 0.5 })
    #expect(try quantized("nf4", weight).decoded() == weight)
  }
}
