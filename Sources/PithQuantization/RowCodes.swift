import PithTensors
import PithWeights

extension Matrix {
  /// The number of groups in a row when `size` columns share a scale.
  func groups(of size: Int) -> Int { (columns + size - 1) / size }

  /// The columns of a group; the last group may be shorter.
  func columns(ofGroup group: Int, size: Int) -> Range<Int> {
    group * size..<min((group + 1) * size, columns)
  }

  /// One value for each group of each row, row after row, computed on all threads.
  package func map<Value>(
    groupsOf size: Int, on pool: ThreadPool, _ value: (_ group: Int, UnsafeBufferPointer<Float>) -> Value
  ) -> [Value] {
    let groups = groups(of: size)
    return values.withUnsafeBufferPointer { weights in
      Array(unsafeUninitializedCapacity: rows * groups) { target, filled in
        let target = target
        pool.forEach(count: rows, grain: rowsPerPart) { range in
          for row in range {
            for group in 0..<groups {
              let columns = columns(ofGroup: group, size: size)
              let start = row * self.columns
              let slice = weights[(start + columns.lowerBound)..<(start + columns.upperBound)]
              target.initializeElement(
                at: row * groups + group, to: value(group, UnsafeBufferPointer(rebasing: slice)))
            }
          }
        }
        filled = rows * groups
      }
    }
  }

  /// Packed codes of each row, which `codes` writes from the row's weights, computed on all threads.
  func packedRows(
    bits: Int, on pool: ThreadPool,
    _ codes: (_ row: Int, _ weights: UnsafeBufferPointer<Float>, _ target: UnsafeMutablePointer<UInt8>) ->
      Void
  ) -> Bytes {
    let stride = Packing.bytesPerRow(columns, bits: bits)
    return values.withUnsafeBufferPointer { weights in
      Bytes(count: rows * stride) { target in
        pool.forEach(count: rows, grain: rowsPerPart) { range in
          for row in range {
            let rowWeights = UnsafeBufferPointer(rebasing: weights[(row * columns)..<((row + 1) * columns)])
            let rowCodes = [UInt8](unsafeUninitializedCapacity: columns) { buffer, filled in
              codes(row, rowWeights, buffer.baseAddress!)
              filled = columns
            }
            Packing.pack(rowCodes, rows: 1, bits: bits).withUnsafeBytes { packed in
              UnsafeMutableRawBufferPointer(rebasing: target[(row * stride)..<((row + 1) * stride)])
                .copyMemory(from: packed)
            }
          }
        }
      }
    }
  }

  /// The matrix with 0 in some columns.
  package func settingToZero(columns chosen: [Int]) -> Matrix {
    guard !chosen.isEmpty else { return self }
    var result = self
    for row in 0..<rows { for column in chosen { result[row, column] = 0 } }
    return result
  }

  /// Rows worth handing to a thread at once: some 16 000 weights.
  var rowsPerPart: Int { max(1, 16_384 / columns) }
}
