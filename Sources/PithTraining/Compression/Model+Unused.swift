import PithCheckpoints
import PithModels
import PithTensors
import PithWeights

extension Model {
  /// The model without what only feeds what is 0: rows of neurons and heads whose columns are gone, and layers that add nothing. Heads of an encoder are
  /// cut out; elsewhere the zeros are not stored.
  func withoutUnused() -> Model {
    switch self {
    case .encoder(var encoder):
      for index in encoder.layers.indices {
        encoder.layers[index].up = encoder.layers[index].up.clearing(
          rows: encoder.layers[index].down.emptyColumns)
        encoder.cutHeads(of: index)
      }
      return .encoder(encoder)
    case .decoder(var decoder):
      let configuration = decoder.configuration
      let group = configuration.heads / configuration.keyValueHeads
      for index in decoder.layers.indices {
        var layer = decoder.layers[index]
        let neurons = layer.down.emptyColumns
        layer.up = layer.up.clearing(rows: neurons)
        layer.gate = layer.gate.clearing(rows: neurons)
        // A column of what a head gives is a row of its values; its queries and keys serve all of its columns.
        let (columns, size) = (layer.attentionOutput.emptyColumns, configuration.headDimension)
        let heads = (0..<configuration.heads).map { head in
          (0..<size).allSatisfy { columns[head * size + $0] }
        }
        layer.query = layer.query.clearing(rows: columns.indices.map { heads[$0 / size] })
        // Keys and values of a group serve all of its heads.
        let shared = (0..<(configuration.keyValueHeads * size)).map { ($0 / size * group, $0 % size) }
        layer.value = layer.value.clearing(
          rows: shared.map { head, place in
            (head..<(head + group)).allSatisfy { columns[$0 * size + place] }
          })
        layer.key = layer.key.clearing(
          rows: shared.map { head, _ in (head..<(head + group)).allSatisfy { heads[$0] } })
        decoder.layers[index] = layer
      }
      let kept = decoder.layers.indices.filter { index in
        let layer = decoder.layers[index]
        return ![layer.attentionOutput, layer.down].allSatisfy { map in
          map.emptyColumns.allSatisfy { $0 } && (map.bias ?? []).allSatisfy { $0 == 0 }
        }
      }
      return Model.decoder(decoder).keeping(layers: kept.isEmpty ? [0] : kept)
    }
  }
}

extension Encoder {
  /// Cuts out the heads of a layer whose columns are gone; one stays.
  fileprivate mutating func cutHeads(of index: Int) {
    let (layer, dimension) = (layers[index], headDimension)
    let columns = layer.attentionOutput.emptyColumns
    let heads = columns.count / dimension
    var kept = (0..<heads).filter { head in
      !(0..<dimension).allSatisfy { columns[head * dimension + $0] }
    }
    if kept.isEmpty { kept = [0] }
    guard kept.count < heads,
      [layer.query, layer.key, layer.value, layer.attentionOutput].allSatisfy(\.isPlain)
    else { return }
    let places = kept.flatMap { Array(($0 * dimension)..<(($0 + 1) * dimension)) }
    layers[index].query = layer.query.taking(rows: places)
    layers[index].key = layer.key.taking(rows: places)
    layers[index].value = layer.value.taking(rows: places)
    layers[index].attentionOutput = layer.attentionOutput.taking(columns: places)
    let earlier = configuration.prunedHeads[index] ?? []
    let present = (0..<configuration.heads).filter { !earlier.contains($0) }
    let gone = (0..<heads).filter { !kept.contains($0) }.map { present[$0] }
    configuration.prunedHeads[index] = (earlier + gone).sorted()
  }
}

extension Linear {
  /// Whether the weight is float numbers, all or some of which are stored.
  fileprivate var isPlain: Bool {
    switch weight {
    case .dense: true
    case .masked(let masked): if case .float16 = masked.values { true } else { false }
    default: false
    }
  }

  /// Which columns of the weight are 0.
  fileprivate var emptyColumns: [Bool] {
    guard case .masked = weight else { return [Bool](repeating: false, count: weight.columns) }
    let decoded = weight.decoded()
    var empty = [Bool](repeating: true, count: decoded.columns)
    for row in 0..<decoded.rows {
      for (column, value) in decoded[row: row].enumerated() where value != 0 { empty[column] = false }
    }
    return empty
  }

  /// The map with 0 in some rows, which are no longer stored.
  fileprivate func clearing(rows gone: [Bool]) -> Linear {
    guard gone.contains(true), isPlain else { return self }
    var decoded = weight.decoded()
    for row in 0..<decoded.rows where gone[row] {
      for column in 0..<decoded.columns { decoded[row, column] = 0 }
    }
    return Linear(.smallest(of: decoded), bias: bias, at: place)
  }

  fileprivate func taking(rows: [Int]) -> Linear {
    let decoded = weight.decoded()
    let values = rows.flatMap { Array(decoded[row: $0]) }
    return Linear(
      .smallest(of: Matrix(rows: rows.count, columns: decoded.columns, values: values)),
      bias: bias.map { bias in rows.map { bias[$0] } }, at: place)
  }

  fileprivate func taking(columns: [Int]) -> Linear {
    let decoded = weight.decoded()
    let values = (0..<decoded.rows).flatMap { row in columns.map { decoded[row, $0] } }
    return Linear(
      .smallest(of: Matrix(rows: decoded.rows, columns: columns.count, values: values)), bias: bias, at: place
    )
  }
}
