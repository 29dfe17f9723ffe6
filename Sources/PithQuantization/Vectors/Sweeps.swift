import CPithKernels
import PithLinearAlgebra
import PithTensors
import PithWeights

extension VectorApproximation {
  /// The most memory for the pairs of codewords of a block of runs.
  private static let pairsLimit = 16 << 20

  /// The runs that are taken together: about 128 columns, fewer where their tables are large.
  private var runsPerBlock: Int {
    let pairs = layout.codebooks == 1 ? 1 : codewordsPerSet * codewordsPerSet
    return max(1, min(max(1, 128 / layout.dimension), Self.pairsLimit / pairs))
  }

  /// Chooses the codes of one run after the other anew, the others as they are: the loss never rises.
  ///
  /// With E the errors and G = E·H, a change of a run J from v to v′ changes the loss by ½ v′ᵀAv′ − bᵀv′ and what does
  /// not depend on v′, with A = H_JJ and b = G_J + A·v. All rows are independent.
  ///
  /// Source: AQLM (arXiv 2401.06118), section 3.2, which does so for one run at a time of all rows.
  mutating func sweep(
    toward weight: Matrix, _ metric: LossMetric, _ search: CodeSearch, on pool: ThreadPool
  ) {
    var errors = weight.subtracting(decoded(on: pool))
    var shared: [Int: RunTables] = [:]
    for first in stride(from: 0, to: runs, by: runsPerBlock) {
      let block = first..<min(first + runsPerBlock, runs)
      let range = columns(ofRun: first).lowerBound..<columns(ofRun: block.upperBound - 1).upperBound
      let tables = block.map { run in
        // In the plain metric, runs of one set have the same tables.
        if let tables = shared[run % layout.sets], columns(ofRun: run).count == layout.dimension {
          return tables
        }
        let own = RunMetric(metric, columns: columns(ofRun: run), dimension: layout.dimension)
        let tables = RunTables(self, run: run, metric: own)
        if case .plain = metric { shared[run % layout.sets] = tables }
        return tables
      }
      var gradient = metric.times(errors, columns: range, on: pool)
      let coupling: Matrix? =
        if case .layer(let hessian) = metric { hessian.block(range, range) } else { nil }
      improve(block, range, tables, search, &errors, &gradient, coupling, on: pool)
    }
  }

  /// The sweep over a block of runs; `range` are its columns.
  private mutating func improve(
    _ block: Range<Int>, _ range: Range<Int>, _ tables: [RunTables], _ search: CodeSearch,
    _ errors: inout Matrix, _ gradient: inout Matrix, _ coupling: Matrix?, on pool: ThreadPool
  ) {
    let (me, dimension, books) = (self, layout.dimension, layout.codebooks)
    codes.withUnsafeMutableBufferPointer { codes in
      errors.values.withUnsafeMutableBufferPointer { errors in
        gradient.values.withUnsafeMutableBufferPointer { gradient in
          pool.forEach(count: rows, grain: 32) { rows in
            let room = SearchRoom(books: books, codes: 1 << me.layout.bits, width: search.width)
            var (v, b) = ([Float](repeating: 0, count: dimension), [Float](repeating: 0, count: dimension))
            for (run, table) in zip(block, tables) {
              let own = me.columns(ofRun: run)
              for row in rows {
                let place = row * me.runs + run
                let chosen = codes.baseAddress! + place * books
                let scale = me.scales?[row] ?? 1
                let slope = gradient.baseAddress! + row * range.count
                me.sum(chosen, run: run, scale: scale, into: &v)
                for i in 0..<dimension {
                  b[i] = i < own.count ? slope[own.lowerBound - range.lowerBound + i] : 0
                }
                table.metric.addProduct(v, to: &b)
                for i in 0..<dimension { b[i] = scale == 0 ? 0 : b[i] / scale }
                table.costs(b, into: room.costs)
                search.improve(chosen, table, place: place, room: room)
                me.sum(chosen, run: run, scale: scale, into: &b)
                let error = errors.baseAddress! + row * me.columns + own.lowerBound
                for i in 0..<dimension { v[i] = i < own.count ? b[i] - v[i] : 0 }
                for i in 0..<own.count { error[i] -= v[i] }
                coupling?.values.withUnsafeBufferPointer { coupling in
                  let lines = coupling.baseAddress! + (own.lowerBound - range.lowerBound) * range.count
                  pith_subtract_products(slope, v, lines, own.count, range.count, slope)
                }
              }
            }
          }
        }
      }
    }
  }

  /// Chooses the codes of one run after the other, those before as they are, those behind free to make up for the
  /// error: the start for `sweep` on the layer loss.
  ///
  /// With H⁻¹ = UᵀU, U upper triangular, the best that the columns behind can do leaves of the error e of run J the loss
  /// ½ e·A·eᵀ with A = (U_JJᵀU_JJ)⁻¹, and moves their weights by −e·U_JJ⁻¹·U_J.
  ///
  /// Source: GPTQ (arXiv 2210.17323), run by run as in GPTVQ (arXiv 2402.15319).
  mutating func sweepForward(
    toward weight: Matrix, _ factor: CholeskyFactor, _ search: CodeSearch, on pool: ThreadPool
  ) {
    var wishes = weight
    for first in stride(from: 0, to: runs, by: runsPerBlock) {
      let block = first..<min(first + runsPerBlock, runs)
      let range = columns(ofRun: first).lowerBound..<columns(ofRun: block.upperBound - 1).upperBound
      let steps = block.map {
        ForwardStep(factor, columns: columns(ofRun: $0), end: range.upperBound, layout)
      }
      let tables = zip(block, steps).map { RunTables(self, run: $0, metric: $1.metric) }
      var errors = Matrix(rows: rows, columns: range.count)
      chooseForward(block, range, steps, tables, search, &wishes, &errors, on: pool)
      guard range.upperBound < columns else { return }
      let behind = Matrix(rows: range.count, columns: columns - range.upperBound) { target in
        for (i, row) in range.enumerated() {
          for column in range.upperBound..<columns {
            target[i * (columns - range.upperBound) + column - range.upperBound] = Float(factor[row, column])
          }
        }
      }
      let change = errors.times(behind, on: pool)
      for row in 0..<rows {
        for j in 0..<change.columns { wishes[row, range.upperBound + j] -= change[row, j] }
      }
    }
  }

  /// The forward sweep over a block of runs: leaves e·U_JJ⁻¹ of each run in `scaledErrors`.
  private mutating func chooseForward(
    _ block: Range<Int>, _ range: Range<Int>, _ steps: [ForwardStep], _ tables: [RunTables],
    _ search: CodeSearch, _ wishes: inout Matrix, _ scaledErrors: inout Matrix, on pool: ThreadPool
  ) {
    let (me, dimension, books) = (self, layout.dimension, layout.codebooks)
    codes.withUnsafeMutableBufferPointer { codes in
      wishes.values.withUnsafeMutableBufferPointer { wishes in
        scaledErrors.values.withUnsafeMutableBufferPointer { scaledErrors in
          pool.forEach(count: rows, grain: 32) { rows in
            let room = SearchRoom(books: books, codes: 1 << me.layout.bits, width: search.width)
            var (v, b) = ([Float](repeating: 0, count: dimension), [Float](repeating: 0, count: dimension))
            for (run, (step, table)) in zip(block, zip(steps, tables)) {
              let own = me.columns(ofRun: run)
              for row in rows {
                let place = row * me.runs + run
                let chosen = codes.baseAddress! + place * books
                let scale = me.scales?[row] ?? 1
                let wish = wishes.baseAddress! + row * me.columns + own.lowerBound
                for i in 0..<dimension {
                  v[i] = scale == 0 || i >= own.count ? 0 : wish[i] / scale
                  b[i] = 0
                }
                table.metric.addProduct(v, to: &b)
                table.costs(b, into: room.costs)
                search.improve(chosen, table, place: place, room: room)
                me.sum(chosen, run: run, scale: scale, into: &v)
                let error = scaledErrors.baseAddress! + row * range.count + own.lowerBound - range.lowerBound
                step.spread(wish, v, into: error)
              }
            }
          }
        }
      }
    }
  }

  /// The weights that the codes of a run stand for: all `dimension` of them.
  private func sum(
    _ chosen: UnsafePointer<UInt16>, run: Int, scale: Float, into v: inout [Float]
  ) {
    let dimension = layout.dimension
    tables.withUnsafeBufferPointer { tables in
      for book in 0..<layout.codebooks {
        let word = tables.baseAddress! + codeword(chosen[book], book: book, run: run) * dimension
        for i in 0..<dimension { v[i] = book == 0 ? word[i] : v[i] + word[i] }
      }
    }
    for i in 0..<dimension { v[i] *= scale }
  }
}

/// What the forward sweep needs of U at a run J.
private struct ForwardStep {
  /// A = (U_JJᵀU_JJ)⁻¹.
  let metric: RunMetric
  /// U_JJ, row after row.
  private let own: [Float]
  /// U_J at the columns behind the run in its block.
  private let behind: [Float]
  private let count: Int
  private let behindCount: Int

  init(_ factor: CholeskyFactor, columns: Range<Int>, end: Int, _ layout: VectorCodebook.Layout) {
    count = columns.count
    behindCount = end - columns.upperBound
    var gram = SymmetricMatrix(size: count, values: [Double](repeating: 0, count: count * count))
    for i in 0..<count {
      for j in 0..<count {
        for k in 0...min(i, j) {
          let row = columns.lowerBound + k
          gram[i, j] += factor[row, columns.lowerBound + i] * factor[row, columns.lowerBound + j]
        }
      }
    }
    // U_JJ has a positive diagonal, so this cannot fail but for overflow.
    let inverse = gram.cholesky()?.inverse() ?? gram
    var full = [Float](repeating: 0, count: layout.dimension * layout.dimension)
    for i in 0..<count { for j in 0..<count { full[i * layout.dimension + j] = Float(inverse[i, j]) } }
    metric = RunMetric(
      diagonal: (0..<layout.dimension).map { full[$0 * layout.dimension + $0] }, full: full)
    own = columns.flatMap { row in columns.map { $0 < row ? 0 : Float(factor[row, $0]) } }
    behind = columns.flatMap { row in (columns.upperBound..<end).map { Float(factor[row, $0]) } }
  }

  /// Writes f = e·U_JJ⁻¹ for the error e of a run, and moves the wishes behind it by −f·U_J.
  func spread(
    _ wish: UnsafeMutablePointer<Float>, _ value: UnsafePointer<Float>,
    into scaled: UnsafeMutablePointer<Float>
  ) {
    own.withUnsafeBufferPointer { own in
      for i in 0..<count {
        var error = wish[i] - value[i]
        for k in 0..<i { error -= scaled[k] * own[k * count + i] }
        scaled[i] = error / own[i * count + i]
      }
    }
    pith_subtract_products(wish + count, scaled, behind, count, behindCount, wish + count)
  }
}

extension Matrix {
  /// Some consecutive rows and columns.
  func block(_ rows: Range<Int>, _ columns: Range<Int>) -> Matrix {
    Matrix(
      rows: rows.count, columns: columns.count,
      values: rows.flatMap {
        self[row: $0][columns.lowerBound + $0 * self.columns..<columns.upperBound + $0 * self.columns]
      })
  }
}
