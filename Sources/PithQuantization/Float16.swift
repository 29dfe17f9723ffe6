import PithTensors
import PithWeights

/// Half precision: each weight becomes the nearest float16 number.
package enum Float16 {
  package static func quantize(
    _ weight: Matrix, _ options: MethodOptions, _ pool: ThreadPool
  ) throws(MethodError) -> StoredMatrix {
    let halves = weight.values.map(Half.encode)
    if let index = halves.firstIndex(where: { !Half.decode($0).isFinite }) {
      throw .valueTooLarge(row: index / weight.columns, column: index % weight.columns)
    }
    return .dense(
      Dense(rows: weight.rows, columns: weight.columns, format: .float16, values: Bytes(copying: halves)))
  }
}
