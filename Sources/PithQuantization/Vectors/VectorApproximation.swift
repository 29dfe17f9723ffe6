import PithTensors
import PithWeights

/// A matrix as sums of codewords while it is fitted: tables in float32, codes one by one.
///
/// Row i is s_i · (C[c₁] + … + C[c_M]), run by run of its columns. The rows may be those of a weight, or vectors of any
/// kind: then there are no scales.
struct VectorApproximation: Sendable, Equatable {
  /// The number of rows.
  let rows: Int
  /// The number of columns.
  let columns: Int
  /// The size of codes and codebooks.
  let layout: VectorCodebook.Layout
  /// Codewords: set, codebook, code, component.
  var tables: [Float]
  /// Row, run, codebook.
  var codes: [UInt16]
  /// A scale for each row, a float16 number; nil where all are 1.
  var scales: [Float]?

  /// Tables for some rows, whose codes are all 0.
  init(rows: Int, columns: Int, layout: VectorCodebook.Layout, tables: [Float], scales: [Float]?) {
    precondition(tables.count == layout.tableShape.reduce(1, *))
    self.rows = rows
    self.columns = columns
    self.layout = layout
    self.tables = tables
    self.scales = scales
    codes = [UInt16](repeating: 0, count: rows * layout.codesPerRow(columns))
  }

  /// Runs in a row.
  var runs: Int { layout.runs(columns) }

  /// Codewords in a set.
  var codewordsPerSet: Int { layout.codebooks << layout.bits }

  /// The columns of a run.
  func columns(ofRun run: Int) -> Range<Int> {
    run * layout.dimension..<min((run + 1) * layout.dimension, columns)
  }

  /// The number, among all codewords of all sets, of the code of a codebook in a run.
  func codeword(_ code: UInt16, book: Int, run: Int) -> Int {
    ((run % layout.sets * layout.codebooks + book) << layout.bits) + Int(code)
  }

  /// The matrix that the codes stand for, with these tables or others, with or without the scales.
  func decoded(tables: [Float]? = nil, isScaled: Bool = true, on pool: ThreadPool) -> Matrix {
    let (dimension, books) = (layout.dimension, layout.codebooks)
    return Matrix(rows: rows, columns: columns) { target in
      (tables ?? self.tables).withUnsafeBufferPointer { tables in
        codes.withUnsafeBufferPointer { codes in
          pool.forEach(count: rows, grain: 16) { range in
            for row in range {
              let scale = isScaled ? scales?[row] ?? 1 : 1
              for run in 0..<runs {
                let own = columns(ofRun: run)
                let out = target.baseAddress! + row * columns + own.lowerBound
                for book in 0..<books {
                  let code = codes[(row * runs + run) * books + book]
                  let word = tables.baseAddress! + codeword(code, book: book, run: run) * dimension
                  for i in 0..<own.count { out[i] = book == 0 ? word[i] : out[i] + word[i] }
                }
                for i in 0..<own.count { out[i] *= scale }
              }
            }
          }
        }
      }
    }
  }

  /// For each codeword, Σ s · (that part of a row) over the runs that it stands for: Bᵀ·M where decoding is B·C.
  ///
  /// - Parameter power: of the scales: 1, or 2.
  func gathered(_ matrix: Matrix, power: Int = 1, on pool: ThreadPool) -> [Float] {
    let (dimension, books, count) = (layout.dimension, layout.codebooks, tables.count)
    // Parts are as many whatever the number of threads: so are the roundings.
    let parts = max(1, min(8, rows))
    var sums = [Float](repeating: 0, count: parts * count)
    sums.withUnsafeMutableBufferPointer { sums in
      codes.withUnsafeBufferPointer { codes in
        matrix.values.withUnsafeBufferPointer { values in
          pool.forEach(count: parts, grain: 1) { range in
            for part in range {
              let own = sums.baseAddress! + part * count
              for row in (part * rows / parts)..<((part + 1) * rows / parts) {
                let scale = scales?[row] ?? 1
                let factor = power == 1 ? scale : scale * scale
                for run in 0..<runs {
                  let columns = columns(ofRun: run)
                  let source = values.baseAddress! + row * self.columns + columns.lowerBound
                  for book in 0..<books {
                    let code = codes[(row * runs + run) * books + book]
                    let word = own + codeword(code, book: book, run: run) * dimension
                    for i in 0..<columns.count { word[i] += factor * source[i] }
                  }
                }
              }
            }
          }
        }
      }
    }
    for part in 1..<parts {
      for index in 0..<count { sums[index] += sums[part * count + index] }
    }
    sums.removeLast((parts - 1) * count)
    return sums
  }
}
