import PithLinearAlgebra
import PithTensors

/// The upper Cholesky factor U of H⁻¹ = UᵀU, with the columns in the order of a sweep, and H damped before.
///
/// A share of the mean diagonal is added to all of it; if H has no factor then, ten times the share, and so on. A column
/// that calibration never saw anything in is dead: its diagonal becomes the mean of the others'.
package struct InverseFactor {
  /// Position i of the sweep is column order[i].
  package let order: [Int]

  /// U, row-major.
  package let upper: Matrix

  /// Uᵀ, so that a column of U lies together.
  let lower: Matrix

  /// Columns that were always 0; their weights are to become 0.
  package let deadColumns: [Int]

  /// H, damped, in the order of the sweep.
  private let damped: SymmetricMatrix

  /// H⁻¹ = UᵀU of the damped H.
  package var inverse: SymmetricMatrix { damped.cholesky()!.inverse() }

  /// What a user should know.
  package let notes: [CompressedMatrix.Note]

  /// - Parameter damping: the share of the mean diagonal that is added at first.
  /// - Throws: `MethodError.notFactored` if H is not finite.
  package init(_ statistics: InputStatistics, order: [Int], damping: Float) throws(MethodError) {
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
      if let u = trial.inverseCholesky() {
        self.damped = trial
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
