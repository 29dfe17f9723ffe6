import PithLinearAlgebra
import PithTensors
import PithWeights
import Testing

@testable import PithQuantization

/// The parts of which the vector methods are made.
@Suite struct VectorSearchTests {
  /// Costs of three codebooks of eight codewords in a random metric.
  private static func problem(seed: UInt64) -> (RunTables, b: [Float]) {
    let words = Matrix.normal(rows: 24, columns: 5, seed: seed)
    let root = Matrix.normal(rows: 9, columns: 5, seed: seed + 1)
    let metric = RunMetric(
      diagonal: [0, 0, 0, 0, 0], full: root.times(root, transposed: true).values)
    let approximation = VectorApproximation(
      rows: 1, columns: 5, layout: .init(dimension: 5, codebooks: 3, bits: 3), tables: words.values,
      scales: nil)
    let b = Matrix.normal(rows: 1, columns: 5, seed: seed + 2, scale: 9).values
    return (RunTables(approximation, run: 0, metric: metric), b)
  }

  private static func cost(_ codes: [UInt16], _ tables: RunTables, _ b: [Float]) -> Double {
    // ½ vᵀAv − bᵀv, from the definition.
    var v = [Float](repeating: 0, count: 5)
    for (book, code) in codes.enumerated() {
      for j in 0..<5 { v[j] += tables.components[j * 24 + book * 8 + Int(code)] }
    }
    var product = [Float](repeating: 0, count: 5)
    tables.metric.addProduct(v, to: &product)
    return (0..<5).reduce(0.0) { $0 + Double(v[$1] * product[$1]) / 2 - Double(b[$1] * v[$1]) }
  }

  @Test(
    arguments: [CodeSearch.beam(width: 64), .local(width: 32, rounds: 300, seed: 4)],
    Array(1...20) as [UInt64])
  func aLongSearchFindsTheBestCodes(search: CodeSearch, seed: UInt64) {
    let (tables, b) = Self.problem(seed: seed * 100)
    var best = Double.infinity
    for code in 0..<512 {
      best = min(best, Self.cost([UInt16(code & 7), UInt16(code >> 3 & 7), UInt16(code >> 6)], tables, b))
    }
    let room = SearchRoom(books: 3, codes: 8, width: search.width)
    var codes: [UInt16] = [0, 0, 0]
    tables.costs(b, into: room.costs)
    search.improve(&codes, tables, place: 0, room: room)
    let found = Self.cost(codes, tables, b)
    #expect(found <= best + 1e-3 * abs(best), "\(found) instead of \(best)")
  }

  @Test func aSearchNeverMakesCodesWorse() {
    for seed in 1...50 as ClosedRange<UInt64> {
      let (tables, b) = Self.problem(seed: seed * 100)
      for search in [CodeSearch.beam(width: 1), .beam(width: 4), .local(width: 4, rounds: 1, seed: 1)] {
        let room = SearchRoom(books: 3, codes: 8, width: search.width)
        var codes: [UInt16] = [UInt16(seed % 8), 3, 5]
        let before = Self.cost(codes, tables, b)
        tables.costs(b, into: room.costs)
        search.improve(&codes, tables, place: 0, room: room)
        #expect(Self.cost(codes, tables, b) <= before + 1e-3 * abs(before))
      }
    }
  }

  /// A weight of odd shape, its metric, and a fit with random codes.
  private static func fit(
    layout: VectorCodebook.Layout, columns: Int = 37
  ) -> (Matrix, LossMetric, VectorApproximation) {
    let weight = Matrix.normal(rows: 50, columns: columns, seed: 1)
    let metric = LossMetric(
      .layer, InputStatistics.correlated(columns: columns, seed: 2).hessian, columns: columns)
    let tables = Matrix.normal(rows: 1, columns: layout.tableShape.reduce(1, *), seed: 3).values
    var fit = VectorApproximation(
      rows: 50, columns: columns, layout: layout, tables: tables,
      scales: weight.rowScales(metric.diagonal))
    var random = SeededGenerator(seed: 4)
    fit.codes = fit.codes.map { _ in UInt16(random.next() % UInt64(1 << layout.bits)) }
    return (weight, metric, fit)
  }

  private static let layouts: [VectorCodebook.Layout] = [
    .init(dimension: 4, codebooks: 1, bits: 3), .init(dimension: 5, codebooks: 2, bits: 3),
    .init(dimension: 4, codebooks: 3, bits: 2, sets: 3), .init(dimension: 1, codebooks: 1, bits: 4),
  ]

  @Test(arguments: layouts, [CodeSearch.beam(width: 4), .local(width: 4, rounds: 3, seed: 1)])
  func noStepRaisesTheLayerLoss(layout: VectorCodebook.Layout, search: CodeSearch) {
    var (weight, metric, fit) = Self.fit(layout: layout)
    func loss() -> Double { metric.loss(weight.subtracting(fit.decoded(on: pool))) }
    var last = loss()
    func expectLess(_ step: String) {
      let now = loss()
      #expect(now <= last * (1 + 1e-5), "\(step): \(now) after \(last)")
      last = now
    }
    for _ in 0..<4 {
      fit.sweep(toward: weight, metric, search, on: pool)
      expectLess("sweep")
      fit.updateTables(toward: weight, metric, steps: 5, on: pool)
      expectLess("tables")
      fit.updateScales(toward: weight, metric, on: pool)
      expectLess("scales")
    }
  }

  @Test(arguments: layouts)
  func codebooksSolveTheirNormalEquations(layout: VectorCodebook.Layout) {
    var (weight, metric, fit) = Self.fit(layout: layout)
    let before = fit.gathered(metric.times(weight.subtracting(fit.decoded(on: pool))), on: pool)
    fit.updateTables(toward: weight, metric, steps: 300, on: pool)
    let after = fit.gathered(metric.times(weight.subtracting(fit.decoded(on: pool))), on: pool)
    // At the least loss, its slope along every component of every codeword is 0.
    let (was, rest) = (before.map(abs).max()!, after.map(abs).max()!)
    #expect(rest < 0.01 * was, "\(rest) of \(was)")
  }

  @Test func theForwardSweepBeatsChoosingEachRunAlone() throws {
    let layout = VectorCodebook.Layout(dimension: 4, codebooks: 2, bits: 4)
    var (weight, metric, fit) = Self.fit(layout: layout, columns: 128)
    fit.tables = ResidualKMeans(layout: layout, iterations: 10, seed: 1).tables(
      for: weight, scales: fit.scales, diagonal: metric.diagonal, on: pool)
    guard case .layer(let hessian) = metric else { return }
    let factor = try #require(SymmetricMatrix(hessian).cholesky()?.inverse().cholesky())
    var alone = fit
    alone.sweep(toward: weight, .diagonal(metric.diagonal), .beam(width: 8), on: pool)
    fit.sweepForward(toward: weight, factor, .beam(width: 8), on: pool)
    let (a, b) = (alone, fit)
    func loss(_ fit: VectorApproximation) -> Double {
      metric.loss(weight.subtracting(fit.decoded(on: pool)))
    }
    #expect(loss(b) < 0.8 * loss(a), "\(loss(b)) against \(loss(a))")
  }

  /// Against the distances to all codewords.
  @Test(arguments: [1, 3]) func codesAreChosenAnew(sets: Int) {
    let pool = ThreadPool(threads: 2)
    let (rows, columns, dimension) = (5, 14, 4)
    let layout = VectorCodebook.Layout(dimension: dimension, codebooks: 1, bits: 3, sets: sets)
    let words = Matrix.normal(rows: 8 * sets, columns: dimension, seed: 3)
    let scales: [Float] = [1, 0.5, 2, 0, -1]
    let halves = { (values: [Float]) in Bytes(copying: values.map { Half.encode($0).littleEndian }) }
    let vectors = VectorCodebook(
      rows: rows, columns: columns, layout: layout,
      codes: Packing.pack([UInt16](repeating: 5, count: rows * 4), rows: rows, bits: 3),
      tables: halves(words.values), scales: halves(scales))
    let weight = Matrix.normal(rows: rows, columns: columns, seed: 4)
    let found = StoredMatrix.vectors(vectors.recoded(nearestTo: weight, on: pool)).decoded()
    for row in 0..<rows {
      for run in 0..<4 {
        let own = run * dimension..<min((run + 1) * dimension, columns)
        func distance(_ value: (Int) -> Float) -> Double {
          own.reduce(0) { $0 + Double((weight[row, $1] - value($1)) * (weight[row, $1] - value($1))) }
        }
        let least = (0..<8).map { code in
          distance {
            scales[row] * Half.decode(Half.encode(words[run % sets * 8 + code, $0 - own.lowerBound]))
          }
        }.min()!
        #expect(abs(distance { found[row, $0] } - least) < 1e-4)
      }
    }
  }

  /// Sums come nearer, and what is a sum of codewords stays it.
  @Test(arguments: [2, 3, 16]) func sumsAreChosenAnew(books: Int) {
    let pool = ThreadPool(threads: 2)
    let layout = VectorCodebook.Layout(dimension: 4, codebooks: books, bits: 3)
    let words = Matrix.normal(rows: 8 * books, columns: 4, seed: 13)
    let weight = Matrix.normal(rows: 9, columns: 16, seed: 14)
    let vectors = VectorCodebook(
      rows: 9, columns: 16, layout: layout,
      codes: Packing.pack((0..<(9 * 4 * books)).map { UInt16($0 % 7) }, rows: 9, bits: 3),
      tables: Bytes(copying: words.values.map { Half.encode($0).littleEndian }), scales: nil)
    func decoded(_ vectors: VectorCodebook) -> Matrix { StoredMatrix.vectors(vectors).decoded() }
    func distance(_ a: Matrix) -> Double {
      zip(a.values, weight.values).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    }
    let found = vectors.recoded(nearestTo: weight, on: pool)
    #expect(distance(decoded(found)) < 0.5 * distance(decoded(vectors)))
    #expect(
      found.recoded(nearestTo: decoded(found), on: pool).codes.array(of: UInt8.self)
        == found.codes.array(of: UInt8.self))
  }
}
