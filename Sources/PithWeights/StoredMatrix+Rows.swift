import PithTensors

extension StoredMatrix {
  /// The matrix of the chosen rows, in their order: the same storage, copied.
  ///
  /// - Precondition: the matrix is dense or made of blocks; others are never reordered.
  public func selecting(rows chosen: [Int]) -> StoredMatrix {
    switch self {
    case .dense(let dense):
      let values = dense.values.selecting(rows: chosen, of: dense.rows)
      return .dense(Dense(rows: chosen.count, columns: columns, format: dense.format, values: values))
    case .blocks(let blocks):
      let data = blocks.data.selecting(rows: chosen, of: blocks.rows)
      return .blocks(Blocks(rows: chosen.count, columns: columns, format: blocks.format, data: data))
    case .affine, .codebook, .vectors, .integer, .sparse, .masked, .transformed, .split, .sum, .product,
      .tensorTrain:
      preconditionFailure("rows are only reordered in formats of other tools")
    }
  }
}

extension Bytes {
  fileprivate func selecting(rows chosen: [Int], of rows: Int) -> Bytes {
    let stride = rows == 0 ? 0 : count / rows
    return Bytes(count: chosen.count * stride) { target in
      for (position, row) in chosen.enumerated() {
        let source = UnsafeRawBufferPointer(rebasing: unsafePointer[(row * stride)..<((row + 1) * stride)])
        UnsafeMutableRawBufferPointer(rebasing: target[(position * stride)..<((position + 1) * stride)])
          .copyMemory(from: source)
      }
    }
  }
}
