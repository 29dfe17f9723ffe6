import Foundation
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

@Suite struct RoundToNearestTests {
  @Test(arguments: Shape.odd, 2...8)
  func noWeightIsOffByMoreThanHalfAStep(shape: Shape, bits: Int) throws {
    for symmetric in [false, true] {
      for scale: Float in [1e-5, 1, 1e4] {
        let weight = Matrix.normal(rows: shape.rows, columns: shape.columns, seed: UInt64(bits), scale: scale)
        let stored = try quantized("rtn", weight) {
          $0 = MethodOptions(bits: bits, groupSize: shape.groupSize, symmetric: symmetric)
        }
        let affine = try stored.affine()
        let scales = try affine.halfScales().map(Half.decode)
        let decoded = stored.decoded()
        for row in 0..<weight.rows {
          for column in 0..<weight.columns {
            let step = scales[row * affine.groups + column / affine.groupSize]
            let error = abs(weight[row, column] - decoded[row, column])
            // A constant group is rounded to float16: 2⁻¹¹ of a step that equals the weight.
            #expect(error <= step / 2 * 1.0001, "\(error) with step \(step) at \(row), \(column)")
          }
        }
      }
    }
  }

  @Test(arguments: Shape.odd, 2...8)
  func everyCodeIsTheNearestOfItsStoredGrid(shape: Shape, bits: Int) throws {
    let weight = Matrix.normal(rows: shape.rows, columns: shape.columns, seed: 11)
    for (symmetric, range) in [(false, RangeSearch.minMax), (true, .minMax), (false, .squaredError)] {
      let stored = try quantized("rtn", weight) {
        $0 = MethodOptions(
          bits: bits, groupSize: shape.groupSize, symmetric: symmetric, rangeSearch: range)
      }
      let affine = try stored.affine()
      let scales = try affine.halfScales().map(Half.decode)
      let zeros = affine.zeroCodes.map {
        Packing.unpack($0, rows: weight.rows, columns: affine.groups, bits: bits) as [UInt8]
      }
      let decoded = stored.decoded()
      for index in weight.values.indices {
        let group = index / weight.columns * affine.groups + index % weight.columns / affine.groupSize
        let zero = zeros.map { Int($0[group]) } ?? 1 << (bits - 1)
        let lowest = symmetric ? 1 : 0
        let least = (lowest..<(1 << bits)).map {
          abs(weight.values[index] - scales[group] * Float($0 - zero))
        }.min()!
        #expect(abs(weight.values[index] - decoded.values[index]) <= least * 1.00001 + 1e-7)
      }
    }
  }

  @Test func anExampleByHand() throws {
    // The range −1…2 in 3 steps: s = 1, z = 1, codes 0, 1, 2, 3.
    let weight = Matrix(rows: 1, columns: 4, values: [-1, 0.4, 1.2, 2])
    let affine = try quantized("rtn", weight) { $0.bits = 2 }.affine()
    #expect(try affine.halfScales() == [0x3C00])
    #expect(affine.zeroCodes?.array(of: UInt8.self) == [1])
    #expect(affine.codes.array(of: UInt8.self) == [0b11_10_01_00])

    // Symmetric: s = 2/1, z = 2; −1 is halfway and goes up.
    let symmetric = try quantized("rtn", weight) {
      $0.bits = 2
      $0.symmetric = true
    }
    #expect(try symmetric.affine().zeros == nil)
    #expect(symmetric.decoded().values == [0, 0, 2, 2])
  }

  @Test(arguments: 2...8)
  func groupsOfEqualWeightsDecodeExactly(bits: Int) throws {
    for symmetric in [false, true] {
      for value: Float in [0, 0.375, -0.375, 1.5, -1000, 65504, 0x1p-24, -0x1p-20] {
        let weight = Matrix(rows: 2, columns: 5, values: [Float](repeating: value, count: 10))
        let stored = try quantized("rtn", weight) {
          $0 = MethodOptions(bits: bits, groupSize: 3, symmetric: symmetric)
        }
        #expect(stored.decoded() == weight, "\(value) at \(bits) bits")
      }
    }
  }

  @Test(arguments: 2...8)
  func zerosStayExactlyZero(bits: Int) throws {
    var weight = Matrix.normal(rows: 3, columns: 50, seed: 4)
    for index in stride(from: 0, to: 150, by: 2) { weight.values[index] = 0 }
    for symmetric in [false, true] {
      let decoded = try quantized("rtn", weight) {
        $0 = MethodOptions(bits: bits, groupSize: 16, symmetric: symmetric)
      }.decoded()
      for index in stride(from: 0, to: 150, by: 2) { #expect(decoded.values[index] == 0) }
    }
  }

  @Test func weightsBelowFloat16KeepTheirBound() throws {
    let weight = Matrix.normal(rows: 4, columns: 40, seed: 5, scale: 1e-8)
    let decoded = try quantized("rtn", weight).decoded()
    // The smallest float16 step is 2⁻²⁴.
    for (a, b) in zip(weight.values, decoded.values) { #expect(abs(a - b) <= 0x1p-25 && b.isFinite) }
  }

  @Test func hugeWeightsAreKeptWhereFloat16AllowsAndRefusedElsewhere() throws {
    let weight = Matrix(rows: 2, columns: 4, values: [1, 2, 3, 4, 0, -1e6, 5e5, 1e6])
    let decoded = try quantized("rtn", weight) { $0.bits = 8 }.decoded()
    #expect(abs(decoded[1, 3] - 1e6) <= 4000)
    #expect(throws: MethodError.tooLarge(row: 1, column: 0)) {
      try quantized("rtn", weight) {
        $0.bits = 2
        $0.groupSize = 2
      }
    }
    let largest = Matrix(rows: 1, columns: 2, values: [-.greatestFiniteMagnitude, .greatestFiniteMagnitude])
    for symmetric in [false, true] {
      #expect(throws: MethodError.tooLarge(row: 0, column: 0)) {
        try quantized("rtn", largest) { $0.symmetric = symmetric }
      }
    }
  }

  @Test(arguments: [("rtn", 2), ("rtn", 3), ("rtn", 4), ("rtn", 8)])
  func bitsPerWeightCountCodesScalesAndZeroPoints(name: String, bits: Int) throws {
    let weight = Matrix.normal(rows: 8, columns: 576, seed: 6)
    let asymmetric = try quantized(name, weight) { $0.bits = bits }
    let zeroBytes = (9 * bits + 7) / 8
    let rowBytes = 72 * bits + 18 + zeroBytes
    #expect(asymmetric.byteCount == 8 * rowBytes)
    let symmetric = try quantized(name, weight) {
      $0.bits = bits
      $0.symmetric = true
    }
    #expect(symmetric.bitsPerWeight == Double(bits) + 0.25)
  }

  @Test(arguments: [RangeSearch.squaredError, .power24])
  func aSearchNeverLosesToMinMaxInItsOwnNorm(range: RangeSearch) throws {
    let power = range == .squaredError ? 2 : 2.4
    for bits in 2...8 {
      for symmetric in [false, true] {
        let weight = Matrix.normal(rows: 40, columns: 50, seed: UInt64(bits))
        func groupErrors(_ range: RangeSearch) throws -> [Double] {
          let decoded = try quantized("rtn", weight) {
            $0 = MethodOptions(bits: bits, groupSize: 50, symmetric: symmetric, rangeSearch: range)
          }.decoded()
          return (0..<40).map { row in
            zip(weight[row: row], decoded[row: row]).reduce(0) {
              $0 + pow(Double(abs($1.0 - $1.1)), power)
            }
          }
        }
        for (searched, plain) in zip(try groupErrors(range), try groupErrors(.minMax)) {
          #expect(searched <= plain * 1.00001)
        }
      }
    }
  }

  @Test(arguments: [(RangeSearch.squaredError, 2.0, 0.7), (.power24, 2.4, 0.65)])
  func aSearchGainsMuchAtTwoBits(range: RangeSearch, power: Double, share: Double) throws {
    let weight = Matrix.normal(rows: 64, columns: 60, seed: 8)
    let plain = error(weight, try quantized("rtn", weight) { $0.bits = 2 }, power: power)
    let searched = error(
      weight,
      try quantized("rtn", weight) {
        $0.bits = 2
        $0.rangeSearch = range
      }, power: power)
    #expect(searched < share * plain, "\(searched) against \(plain)")
  }

  @Test func thePowerOfASearchIsAccurate() {
    for exponent in stride(from: -22.0, through: 25, by: 0.37) {
      let a = Float(pow(10, exponent))
      let exact = pow(Double(a), 1.2)
      let got = Double(RangeSearch.power12(SIMD8(repeating: a))[3])
      #expect(abs(got / exact - 1) < 2e-6, "\(a)")
    }
    #expect(RangeSearch.power12(.zero) == .zero)
  }

  /// AWQ's clipping looks at outputs, so it beats a search on the weights themselves, and any grid it could have kept.
  @Test(arguments: [2, 3, 4], [16, 33])
  func clippingByOutputsLosesLess(bits: Int, groupSize: Int) throws {
    let method = try #require(CompressionMethod.named("rtn"))
    let weight = Matrix.normal(rows: 40, columns: 96, seed: 21)
    let seen = InputStatistics.correlated(columns: 96, seed: 22)
    func loss(_ change: (inout MethodOptions) -> Void) throws -> Double {
      var options = method.defaults
      (options.bits, options.groupSize) = (bits, groupSize)
      change(&options)
      let stored = try method.quantize(weight, seen, options: options, on: pool).matrix
      return seen.relativeLoss(of: stored.decoded(), to: weight)
    }
    let clipped = try loss { $0.loss = .layer }
    #expect(try clipped < loss { _ in } && clipped < loss { $0.rangeSearch = .squaredError })
    #expect(throws: MethodError.rangeBySearchAndLoss) {
      try loss { ($0.loss, $0.rangeSearch) = (.layer, .squaredError) }
    }
  }
}
