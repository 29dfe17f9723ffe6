import PithCheckpoints
import PithTensors
import PithWeights

/// Parameters as the matrices of a file, named by their place in the list.
extension Parameters {
  /// The values, as `MatrixFile` takes them.
  var matrices: [(name: String, matrix: StoredMatrix)] {
    list.enumerated().map { ("\($0)", .dense(Dense($1.value))) }
  }

  /// Takes values of a file in the place of those of now.
  ///
  /// - Returns: whether there is one of the same shape for each; otherwise nothing is taken.
  func take(_ matrices: [(name: String, matrix: StoredMatrix)], on pool: ThreadPool) -> Bool {
    let values = Dictionary(uniqueKeysWithValues: matrices.map { ($0.name, $0.matrix) })
    let own = list.indices.compactMap { index -> Matrix? in
      let shape = list[index].value
      guard let value = values["\(index)"], (value.rows, value.columns) == (shape.rows, shape.columns) else {
        return nil
      }
      return value.decoded()
    }
    guard own.count == list.count else { return false }
    for (index, value) in own.enumerated() { list[index].value = value }
    compose(on: pool)
    return true
  }
}
