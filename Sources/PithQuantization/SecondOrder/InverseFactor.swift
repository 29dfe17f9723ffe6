import PithLinearAlgebra
import PithTensors

/// The upper Cholesky factor U of H⁻¹ = UᵀU, with the columns in the order of a sweep, and H damped before.
///
/// A column that calibration never saw anything in is dead: its diagonal becomes 1. A share of the mean diagonal is
/// added to all of it; if H has no factor then, ten times the share, and so on.
struct InverseFactor {
  /// Position i of the sweep is column order[i].
  let order: [Int]

  /// U, row-major.
  let upper: Matrix

  /// Uᵀ, so that a column of U lies together.
  let lower: Matrix

  /// Columns that were always 0; their weights are to become 0.
  let deadColumns: [Int]

  /// The share of the mean diagonal that was added in the end.
  let damping: Float

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
    for (i, column) in order.enumerated() where isDead.contains(column) { damped[i * count + i] = 1 }
    let diagonal = (0..<count).reduce(0.0) { $0 + damped[$1 * count + $1] } / Double(max(count, 1))
    var share = Double(damping)
    while true {
      var trial = SymmetricMatrix(size: count, values: damped)
      for i in 0..<count { trial[i, i] += share * diagonal }
      if let u = trial.cholesky()?.inverse().cholesky() {
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
    self.damping = Float(share)
    notes =
      (dead.isEmpty ? [] : [.deadColumns(dead.count)])
      + (share > Double(damping) ? [.raisedDamping(Float(share))] : [])
  }

  /// H⁻¹ = UᵀU of the damped H.
  var inverse: SymmetricMatrix {
    SymmetricMatrix(upper.times(upper, transposed: true))
  }
}
