import CPithKernels
import PithTensors

extension Dense {
  /// The same matrix, its values in another order.
  func ordered(by order: Order) -> Dense {
    guard order != self.order else { return self }
    let (runs, length) = self.order == .rows ? (rows, columns) : (columns, rows)
    let turned = Bytes(count: values.count) { target in
      values.withUnsafeBytes { source in
        let from = source.assumingMemoryBound(to: UInt16.self)
        let to = target.assumingMemoryBound(to: UInt16.self)
        // Square by square, so that what is read and what is written stay in the first cache.
        for top in stride(from: 0, to: runs, by: 32) {
          for left in stride(from: 0, to: length, by: 32) {
            for run in top..<min(top + 32, runs) {
              for place in left..<min(left + 32, length) {
                to[place * runs + run] = from[run * length + place]
              }
            }
          }
        }
      }
    }
    return Dense(rows: rows, columns: columns, format: format, order: order, values: turned)
  }

  /// One row of a matrix that lies by columns.
  func decodeAcross(row: Int, into target: UnsafeMutablePointer<Float>) {
    values.withUnsafeBytes { bytes in
      let values = bytes.assumingMemoryBound(to: UInt16.self)
      for column in 0..<columns {
        let bits = UInt16(littleEndian: values[column * rows + row])
        target[column] = format == .float16 ? Half.decode(bits) : BrainFloat.decode(bits)
      }
    }
  }

  /// One token with a matrix that lies by columns.
  func multiplyColumns(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool) {
    let used = (0..<columns).filter { x[$0] != 0 }.map { UInt32($0) }
    let product = format == .float16 ? pith_half_columns_product : pith_bfloat_columns_product
    values.withUnsafeBytes { bytes in
      nonisolated(unsafe) let values = bytes.assumingMemoryBound(to: UInt16.self).baseAddress!
      nonisolated(unsafe) let (x, y) = (x, y)
      pool.forEach(count: rows, grain: max(128, rowsPerTurn(columns: used.count))) { range in
        product(values, rows, x, used, used.count, range.lowerBound, range.upperBound, y)
      }
    }
  }
}

extension StoredMatrix {
  /// The matrix with its values column after column, where it has 16-bit floating point values; else the matrix as it is.
  ///
  /// Whoever multiplies it with activations of which many are 0, as behind a ReLU, reads only what they meet.
  public var byColumns: StoredMatrix {
    guard case .dense(let dense) = self, dense.format != .float32 else { return self }
    return .dense(dense.ordered(by: .columns))
  }
}
