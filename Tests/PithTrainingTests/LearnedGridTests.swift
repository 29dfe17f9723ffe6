import PithModels
import PithTensors
import PithWeights
import Testing

@testable import PithTraining

/// Weights that are integers while they are trained.
struct LearnedGridTests {
  /// Integers of some bits with scales that differ, zero points as codes, as halves, or none.
  static func affine(
    bits: Int, zeros: Int, rows: Int = 5, columns: Int = 21, groupSize: Int = 8, scale: Float = 1
  ) -> Affine {
    let groups = (columns + groupSize - 1) / groupSize
    var generator = SeededGenerator(seed: UInt64(bits * 3 + zeros))
    func codes(_ count: Int, from lowest: Int) -> [UInt8] {
      (0..<count).map { _ in UInt8(lowest + Int(generator.uniform() * Float(1 << bits - lowest))) }
    }
    let scales = (0..<(rows * groups)).map { _ in scale * (0.5 + generator.uniform()) }
    let points = codes(rows * groups, from: 0)
    return Affine(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize,
      codes: Packing.pack(codes(rows * columns, from: zeros == 0 ? 1 : 0), rows: rows, bits: bits),
      scales: .float16(CompositionTests.halves(scales)),
      zeros: [
        nil, .codes(Packing.pack(points, rows: rows, bits: bits)),
        .float16(CompositionTests.halves(points.map { Float($0) + 0.25 })),
      ][zeros])
  }

  /// In groups that do not divide, and with a scale per row.
  @Test(
    arguments: [(2, 8), (3, 8), (4, 8), (5, 8), (6, 8), (7, 8), (8, 8), (2, 21), (5, 21), (8, 21)], [0, 1, 2])
  func beginsAndEndsAsStored(_ width: (bits: Int, groupSize: Int), zeros: Int) throws {
    let affine = Self.affine(bits: width.bits, zeros: zeros, groupSize: width.groupSize)
    let grid = try #require(LearnedGrid(affine))
    let factors = grid.factors(near: nil)
    let stored = StoredMatrix.affine(affine)
    #expect(grid.weight(factors, on: nil) == stored.decoded())
    // Whatever the weights were before, they begin with the same integers, and no farther from what they were.
    let original = CompositionTests.random(affine.rows, affine.columns, seed: 6)
    let near = grid.factors(near: original)
    #expect(grid.weight(near, on: nil) == stored.decoded())
    func distance(_ a: Matrix) -> Float { zip(a.values, original.values).reduce(0) { $0 + abs($1.0 - $1.1) } }
    #expect(distance(near[0]) < distance(factors[0]))
    let again = grid.stored(factors)
    #expect(
      again.tensors.map { $0.bytes.array(of: UInt8.self) }
        == stored.tensors.map { $0.bytes.array(of: UInt8.self) })
    // What is stored after a change is what the model was trained with.
    var generator = SeededGenerator(seed: 9)
    let moved = factors.map { factor in
      Matrix(
        rows: factor.rows, columns: factor.columns,
        values: factor.values.map { $0 * (0.6 + generator.uniform()) })
    }
    let pool = ThreadPool(threads: 2)
    #expect(grid.weight(moved, on: pool) == grid.stored(moved).decoded())
    #expect(grid.weight(moved, on: pool) != stored.decoded())
  }

  /// Equation 3 of arXiv 1902.08153, written down weight by weight.
  @Test(arguments: [(2, 8), (4, 8), (6, 8), (3, 21)], [0, 1])
  func gradientsAreThoseOfThePaper(_ width: (bits: Int, groupSize: Int), zeros: Int) throws {
    let bits = width.bits
    let affine = Self.affine(bits: bits, zeros: zeros, groupSize: width.groupSize)
    let grid = try #require(LearnedGrid(affine))
    let (rows, columns, size, groups) = (affine.rows, affine.columns, affine.groupSize, affine.groups)
    let factors = [CompositionTests.random(rows, columns, seed: 4), grid.factors(near: nil)[1]]
    let spread = Matrix(rows: rows, columns: columns, values: factors[0].values.map { 8 * $0 })
    let c = CompositionTests.random(rows, columns, seed: 5)
    var gradients = grid.factors(near: nil).map { Matrix(rows: $0.rows, columns: $0.columns) }
    grid.carryBack(c, [spread, factors[1]], into: &gradients, on: ThreadPool(threads: 2))
    let steps = StoredMatrix.affine(affine).tensors.first { $0.role == "scales" }!.bytes.array(
      of: UInt16.self
    ).map {
      Half.decode($0)
    }
    let points: [UInt8] =
      if case .codes(let codes) = affine.zeros {
        Packing.unpack(codes, rows: rows, columns: groups, bits: bits)
      } else {
        Array(repeating: UInt8(1 << (bits - 1)), count: rows * groups)
      }
    let highest = Double(1 << bits - 1)
    for row in 0..<rows {
      var sums = [Double](repeating: 0, count: groups)
      for column in 0..<columns {
        let group = row * groups + column / size
        let place = Double(spread[row, column] / steps[group])
        let (low, high) = ((zeros == 0 ? 1 : 0) - Double(points[group]), highest - Double(points[group]))
        let isInside = place >= low - 0.5 && place <= high + 0.5
        #expect(gradients[0][row, column] == (isInside ? c[row, column] : 0))
        let slope = isInside ? min(max(place.rounded(), low), high) - place : place < low ? low : high
        sums[column / size] += Double(c[row, column]) * slope
      }
      for (group, sum) in sums.enumerated() {
        let count = Double(min(size, columns - group * size))
        let expected = sum * Double(steps[row * groups + group]) / (count * highest).squareRoot()
        #expect(abs(Double(gradients[1][row, group]) - expected) < 1e-4)
      }
    }
  }

  @Test func stepsThatAreCodesAreNotLearned() {
    let zeros = Bytes(copying: [UInt16](repeating: 0, count: 2))
    let scales = Affine.QuantizedScales(
      bits: 3, groupSize: 4, codes: Bytes(copying: [UInt8](repeating: 0, count: 2)), steps: zeros,
      minima: zeros)
    let affine = Affine(
      rows: 2, columns: 4, bits: 2, groupSize: 2, codes: Bytes(copying: [UInt8](repeating: 0, count: 2)),
      scales: .quantized(scales), zeros: nil)
    #expect(LearnedGrid(affine) == nil && Composition.of(.affine(affine)) == nil)
  }

  /// One map as a model.
  private struct OneMap: Transformer {
    let maps: [Linear]
    var norms: [Norm] { [] }
    var headDimension: Int { 1 }
  }

  /// Inputs of 8 or 4 bits, outliers apart, and what happens to them before.
  @Test(arguments: [
    (IntegerProduct.Activations.int8, Float?.none, 0), (.int4, nil, 0), (.int8, 1.2, 0), (.int8, nil, 1),
    (.int4, nil, 2),
  ])
  func integersLearnFromTheInputsThatTheyWillMeet(
    activations: IntegerProduct.Activations, threshold: Float?, transform: Int
  ) throws {
    let affine = Self.affine(bits: 8, zeros: 0, rows: 6, columns: 24, groupSize: 24, scale: 0.01)
    guard case .float16(let scales) = affine.scales else { return }
    let inner = StoredMatrix.integer(
      IntegerProduct(
        rows: 6, columns: 24, bits: 8, codes: affine.codes, scales: .float16(scales),
        activations: activations,
        threshold: threshold))
    let order = CompositionTests.permutation(24)
    let stored: StoredMatrix =
      switch transform {
      case 0: inner
      case 1:
        .transformed(
          Transformed(.scale(CompositionTests.halves((0..<24).map { 0.5 + Float($0 % 3) })), inner))
      default: .transformed(Transformed(.permutation(order), inner))
      }
    let map = Linear(stored, at: Place(.up, layer: 0))
    let (model, pool) = (OneMap(maps: [map]), ThreadPool(threads: 2))
    let parameters = Parameters(model, on: pool)
    let x = Matrix(
      rows: 5, columns: 24, values: CompositionTests.random(5, 24, seed: 3).values.map { 3 * $0 })
    let batch = Batch([(sequence: 0, position: 0, tokens: [0, 0, 0, 0, 0])])
    let run = Differentiation(batch, parameters, pool: pool)
    let input = Variable(x, needsGradient: true)
    let y = run.project(input, [map])[0]
    let expected = stored.multiply(x, on: pool)
    #expect(zip(y.value.values, expected.values).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(
      zip(y.value.values, x.times(stored.decoded(), otherTransposed: true, on: pool).values).contains {
        abs($0 - $1) > 1e-3
      })
    // Gradients of inputs go straight through; those of weights are of the inputs as they were multiplied.
    let dy = CompositionTests.random(5, 6, seed: 8)
    y.accumulate(dy, on: pool)
    run.runBack()
    let dx = try #require(input.takeGradient())
    #expect(zip(dx.values, dy.times(stored.decoded(), on: pool).values).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(
      parameters.resolved(map, on: nil).weight.isPacked
        && parameters.resolved(map, on: nil).weight.decoded() == stored.decoded())
  }
}
