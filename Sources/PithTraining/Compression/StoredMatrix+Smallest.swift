import PithTensors
import PithWeights

extension StoredMatrix {
  /// A weight whose zeros are not stored, in float16, or all of it in float32 if it has none.
  static func smallest(of weight: Matrix) -> StoredMatrix {
    let values = weight.values
    guard values.contains(0), values.allSatisfy({ Half.decode(Half.encode($0)).isFinite }) else {
      return .dense(Dense(weight))
    }
    let (rows, columns) = (weight.rows, weight.columns)
    let shapes = [BlockShape(rows: 32, columns: 1), BlockShape(rows: 1, columns: 32)]
    let candidates = shapes.map { block in
      StoredMatrix.masked(
        Masked(
          weight,
          at: .smallest(rows: rows, columns: columns, block: block) { values[$0 * columns + $1] != 0 }))
    }
    return candidates.min { $0.byteCount < $1.byteCount }!
  }
}
