import PithCheckpoints
import PithModels
import PithTensors
import PithWeights

/// A layer that was tuned, as it is stored, in a file of unfinished work.
struct LayerFile {
  private let path: String

  init(_ workspace: String, _ index: Int) { path = "\(workspace)/layer-\(index).safetensors" }

  /// Writes a layer.
  ///
  /// - Parameter steps: how many there were in all when it was done.
  /// - Throws: `CheckpointError` if it cannot be written.
  func write(_ layer: Decoder.Layer, steps: Int, shownAs target: String) throws(CheckpointError) {
    var matrices: [(name: String, matrix: StoredMatrix)] = []
    func add(_ vector: [Float]) {
      let row = Matrix(rows: 1, columns: vector.count, values: vector)
      matrices.append(("\(matrices.count)", .dense(Dense(row))))
    }
    _ = layer.mapping(
      maps: { map in
        matrices.append(("\(matrices.count)", map.weight))
        if let bias = map.bias { add(bias) }
        return map
      },
      norms: { norm in
        add(norm.weight)
        return norm
      })
    try MatrixFile.write(matrices, remarks: ["steps": .int(steps)], to: path, shownAs: target)
  }

  /// A layer like another one, from its file; nil if there is none, or one of steps that are to be done again.
  ///
  /// - Throws: `CheckpointError` if it is damaged.
  func read(like layer: Decoder.Layer, doneBefore steps: Int) throws(CheckpointError) -> Decoder.Layer? {
    guard let (matrices, remarks) = try MatrixFile.read(path), let own = remarks["steps"]?.int, own <= steps
    else { return nil }
    let values = Dictionary(uniqueKeysWithValues: matrices.map { ($0.name, $0.matrix) })
    var (next, isWhole) = (0, true)
    func take(_ rows: Int, _ columns: Int) -> StoredMatrix? {
      defer { next += 1 }
      guard let matrix = values["\(next)"], (matrix.rows, matrix.columns) == (rows, columns) else {
        isWhole = false
        return nil
      }
      return matrix
    }
    let read = layer.mapping(
      maps: { map in
        let weight = take(map.weight.rows, map.weight.columns) ?? map.weight
        let bias = map.bias.map { take(1, $0.count)?.decoded().values ?? $0 }
        return Linear(weight, bias: bias, at: map.place)
      },
      norms: { norm in
        Norm(
          norm.kind, weight: take(1, norm.weight.count)?.decoded().values ?? norm.weight,
          epsilon: norm.epsilon,
          at: norm.place)
      })
    guard isWhole else { throw .badData(path: path, fault: "values of the layer are missing") }
    return read
  }
}
