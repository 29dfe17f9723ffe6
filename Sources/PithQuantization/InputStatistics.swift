import PithLinearAlgebra
import PithTensors
import PithWeights

/// What calibration saw at the input of a matrix; the rows themselves are not kept.
///
///     var observed = InputObserver(columns: 576)
///     for batch in batches { observed.add(batch) }          // tokens × columns
///     let statistics = observed.statistics
public struct InputStatistics: Sendable {
  /// The rows that were seen.
  public var rows: Int

  /// H = 2 XᵀX / n, columns × columns.
  public var hessian: Matrix

  /// The mean of |x| in each column.
  public var meanMagnitude: [Float]

  /// The largest |x| in each column.
  public var maxMagnitude: [Float]

  /// The number of columns.
  public var columns: Int { hessian.columns }

  /// The columns that were 0 in every row.
  public var deadColumns: [Int] { (0..<columns).filter { hessian[$0, $0] == 0 } }

  /// Statistics with the given values.
  public init(rows: Int, hessian: Matrix, meanMagnitude: [Float], maxMagnitude: [Float]) {
    precondition(hessian.rows == hessian.columns, "H is square")
    precondition(meanMagnitude.count == hessian.columns && maxMagnitude.count == hessian.columns)
    self.rows = rows
    self.hessian = hessian
    self.meanMagnitude = meanMagnitude
    self.maxMagnitude = maxMagnitude
  }

  /// The layer loss tr((W − Ŵ) H (W − Ŵ)ᵀ)/2, relative to tr(W H Wᵀ)/2; 0 where both are 0.
  public func relativeLoss(of approximation: Matrix, to weight: Matrix, on pool: ThreadPool? = nil) -> Double
  {
    let whole = quadraticForm(weight, on: pool)
    let difference = Matrix(
      rows: weight.rows, columns: weight.columns,
      values: zip(weight.values, approximation.values).map { $0 - $1 })
    return whole > 0 ? quadraticForm(difference, on: pool) / whole : 0
  }

  /// tr(A H Aᵀ).
  public func quadraticForm(_ a: Matrix, on pool: ThreadPool? = nil) -> Double {
    let product = a.times(hessian, on: pool)
    var sum = 0.0
    for row in 0..<a.rows {
      var rowSum: Float = 0
      for index in (row * columns)..<((row + 1) * columns) {
        rowSum += product.values[index] * a.values[index]
      }
      sum += Double(rowSum)
    }
    return sum
  }
}

extension InputStatistics {
  /// The statistics of T·x. Of a rotation's outputs, the magnitudes are those of a normal distribution with the
  /// variance that H gives, since only H is known of them: the mean √(2/π)·σ, the largest of n values √(2 ln n)·σ.
  public func transformed(by transform: InputTransform, on pool: ThreadPool? = nil) -> InputStatistics {
    var result = self
    // H is symmetric: apply T to its rows, then to the rows of what that gives transposed.
    result.hessian = transform.apply(transform.apply(hessian, on: pool).transposed, on: pool)
    switch transform {
    case .permutation, .scale:
      func mapped(_ values: [Float]) -> [Float] {
        transform.apply(Matrix(rows: 1, columns: columns, values: values)).values
      }
      result.meanMagnitude = mapped(meanMagnitude)
      result.maxMagnitude = mapped(maxMagnitude)
    case .rotation, .blockRotation:
      let deviations = (0..<columns).map { (result.hessian[$0, $0] / 2).squareRoot() }
      let extreme = Float((2 * Elementary.log(Double(max(rows, 2)))).squareRoot())
      result.meanMagnitude = deviations.map { $0 * (2 / Float.pi).squareRoot() }
      result.maxMagnitude = deviations.map { $0 * extreme }
    }
    return result
  }
}

/// Adds up what is seen at the input of a matrix.
public struct InputObserver: Sendable {
  private var gram: GramMatrix
  private var rows = 0
  private var sums: [Double]
  private var largest: [Float]

  /// Nothing seen yet.
  public init(columns: Int) {
    gram = GramMatrix(columns: columns)
    sums = [Double](repeating: 0, count: columns)
    largest = [Float](repeating: 0, count: columns)
  }

  /// Adds some rows: tokens × columns.
  public mutating func add(_ x: Matrix, on pool: ThreadPool? = nil) {
    gram.add(x, on: pool)
    rows += x.rows
    let columns = x.columns
    var batch = [Float](repeating: 0, count: columns)
    x.values.withUnsafeBufferPointer { values in
      batch.withUnsafeMutableBufferPointer { batch in
        largest.withUnsafeMutableBufferPointer { largest in
          func add(_ runs: Range<Int>) {
            for run in runs {
              let range = run * 16..<min(run * 16 + 16, columns)
              var (sum, most) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
              for row in 0..<x.rows {
                var magnitudes = SIMD16<Float>.zero
                let start = row * columns
                if range.count == 16 {
                  magnitudes = UnsafeRawPointer(values.baseAddress! + start + range.lowerBound)
                    .loadUnaligned(as: SIMD16<Float>.self)
                  magnitudes.replace(with: -magnitudes, where: magnitudes .< 0)
                } else {
                  for (lane, column) in range.enumerated() {
                    magnitudes[lane] = values[start + column].magnitude
                  }
                }
                sum += magnitudes
                most.replace(with: magnitudes, where: magnitudes .> most)
              }
              for (lane, column) in range.enumerated() {
                batch[column] += sum[lane]
                largest[column] = max(largest[column], most[lane])
              }
            }
          }
          let runs = (columns + 15) / 16
          if let pool { pool.forEach(count: runs, grain: 4, add) } else { add(0..<runs) }
        }
      }
    }
    for column in 0..<columns { sums[column] += Double(batch[column]) }
  }

  /// What was seen so far.
  public var statistics: InputStatistics {
    let count = Double(max(rows, 1))
    return InputStatistics(
      rows: rows, hessian: gram.scaled(by: Float(2 / count)), meanMagnitude: sums.map { Float($0 / count) },
      maxMagnitude: largest)
  }
}
