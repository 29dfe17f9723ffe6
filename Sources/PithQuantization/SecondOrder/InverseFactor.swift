import PithLinearAlgebra
import PithTensors

/// The upper Cholesky factor U of H⁻¹ = UᵀU, with the columns in the order of a sweep, and H damped before.
///
/// A share of the mean diagonal is added to all of it; if H has no factor then, ten times the share, and so on. A column
/// that calibration never saw anything in is dead: its diagonal becomes the mean of the others'.
struct InverseFactor {
  /// Position i of the sweep is column order[i].
  let order: [Int]

  /// U, row-major.
  let upper: Matrix

  /// Uᵀ, so that a column of U lies together.
  let lower: Matrix

  /// Columns that were always 0; their weights are to become 0.
  let deadColumns: [Int]

  /// H⁻¹ = UᵀU of the damped H.
  let inverse: SymmetricMatrix

  /// What a user should know.
  let notes: [QuantizedMatrix.Note]

  /// - Parameter damping: the share of the mean diagonal that is added at first.
  /// - Throws: `QuantizationError.notFactored` if H is not finite.
  init(_ statistics: InputStatistics, order: [Int], damping: Float) throws(QuantizationError) {
    let dead = statistics.deadColumns
    let hessian = statistics.hessian
    let count = order.count
    guard hessian.values.allSatisfy(\.isFinite) else { throw .notFactored }
    var damped = [Double](repeating: 0, count: count * count)
    for (i, row) in order.enumerated() {
      for (j, column) in order.enumerated() { damped[i * count + j] = Double(hessian[row, column]) }
    }
    let isDead = Set(dead)
    let living = count - dead.count
    let sum = (0..<count).reduce(0.0) { $0 + damped[$1 * count + $1] }
    let diagonal = living > 0 ? sum / Double(living) : 1
    for (i, column) in order.enumerated() where isDead.contains(column) { damped[i * count + i] = diagonal }
    var share = Double(damping)
    while true {
      var trial = SymmetricMatrix(size: count, values: damped)
      for i in 0..<count { trial[i, i] += share * diagonal }
      if let inverse = trial.cholesky()?.inverse(), let u = inverse.cholesky() {
        self.inverse = inverse
        upper = Matrix(rows: count, columns: count) { target in
          for i in 0..<count {
            for j in 0..<count { target[i * count + j] = j < i ? 0 : Float(u[i, j]) }
          }
        }
        break
      }
      guard share < 1e6 else { throw .notFactored }
      share = max(share * 10, 1e-4)
    }
    self.order = order
    lower = upper.transposed
    deadColumns = dead
    notes =
      (dead.isEmpty ? [] : [.deadColumns(dead.count)])
      + (share > Double(damping) ? [.raisedDamping(Float(share))] : [])
  }
}
