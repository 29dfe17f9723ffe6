import PithCheckpoints
import PithTensors
import PithWeights

/// Parameters as the matrices of a file, named by their place in the list.
extension Parameters {
  /// The values, as `MatrixFile` takes them.
  var matrices: [(name: String, matrix: StoredMatrix)] {
    list.indices.map { ("\($0)", stored($0)) }
  }

  /// Takes values of a file in the place of those of now.
  ///
  /// - Returns: whether there is one of the same shape for each; otherwise nothing is taken.
  func take(_ matrices: [(name: String, matrix: StoredMatrix)], on pool: ThreadPool) -> Bool {
    let values = Dictionary(uniqueKeysWithValues: matrices.map { ($0.name, $0.matrix) })
    let own = list.indices.compactMap { index -> StoredMatrix? in
      let shape = list[index].value
      return values["\(index)"].flatMap {
        ($0.rows, $0.columns) == (shape.rows, shape.columns) ? $0 : nil
      }
    }
    guard own.count == list.count else { return false }
    for (index, value) in own.enumerated() {
      if case .dense = value { list[index].value = value.decoded() } else { freeze(index, as: value) }
    }
    compose(on: pool)
    return true
  }
}
