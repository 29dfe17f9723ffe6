import PithTensors

extension Inference {
  /// Rows of queries that are scored together.
  private static let tile = 32

  /// Writes the keys and values of the batch into the cache.
  func remember(_ keys: Matrix, _ values: Matrix, _ attention: Attention, in cache: KeyValueCache) {
    let dimension = attention.headDimension
    let tasks = batch.runs.count * attention.keyValueHeads
    pool.forEach(count: tasks, grain: batch.count >= Self.tile ? 1 : tasks) { range in
      for task in range {
        let run = batch.runs[task / attention.keyValueHeads]
        let head = task % attention.keyValueHeads
        let keyTarget = cache.keys(sequence: run.sequence, layer: attention.layer, head: head)
        let valueTarget = cache.values(sequence: run.sequence, layer: attention.layer, head: head)
        keys.values.withUnsafeBufferPointer { keys in
          values.values.withUnsafeBufferPointer { values in
            for (index, row) in run.rows.enumerated() {
              let position = run.position + index
              let source = (row * attention.keyValueHeads + head) * dimension
              (keyTarget + position * dimension).update(from: keys.baseAddress! + source, count: dimension)
              for d in 0..<dimension { valueTarget[d * cache.valueStride + position] = values[source + d] }
            }
          }
        }
      }
    }
  }

  /// Attention of a decoder over the cache.
  func attendBefore(_ queries: Matrix, _ attention: Attention, window: Int?, _ cache: KeyValueCache) -> Matrix
  {
    let dimension = attention.headDimension
    let group = attention.heads / attention.keyValueHeads
    let tiles = batch.runs.flatMap { run in
      stride(from: 0, to: run.rows.count, by: Self.tile).map { start in
        (run: run, rows: start..<min(start + Self.tile, run.rows.count))
      }
    }
    return output(of: queries) { source, target in
      pool.forEach(count: tiles.count * attention.keyValueHeads, grain: 1) { range in
        for task in range {
          let (run, rows) = tiles[task / attention.keyValueHeads]
          let head = task % attention.keyValueHeads
          let memory = HeadMemory(
            keys: cache.keys(sequence: run.sequence, layer: attention.layer, head: head),
            keyStride: dimension,
            values: cache.values(sequence: run.sequence, layer: attention.layer, head: head),
            valueStride: cache.valueStride)
          func seen(_ index: Int) -> Range<Int> {
            let end = run.position + rows.lowerBound + index + 1
            return max(0, window.map { end - $0 } ?? 0)..<end
          }
          let start = ((run.rows.lowerBound + rows.lowerBound) * attention.heads + head * group) * dimension
          if rows.count == 1 {
            // The heads of a group share keys and values: one token's heads go as rows.
            let heads = QueryRows(
              queries: source + start, output: target + start, stride: dimension, count: group)
            memory.answer(heads, headDimension: dimension, scale: attention.scale) { _ in seen(0) }
          } else {
            for member in 0..<group {
              let offset = start + member * dimension
              let tokens = QueryRows(
                queries: source + offset, output: target + offset, stride: attention.heads * dimension,
                count: rows.count)
              memory.answer(tokens, headDimension: dimension, scale: attention.scale, seen: seen)
            }
          }
        }
      }
    }
  }

  /// Attention within sequences that the batch holds whole.
  public func attendWithin(_ queries: Matrix, _ keys: Matrix, _ values: Matrix, _ attention: Attention)
    -> Matrix
  {
    precondition(batch.runs.allSatisfy { $0.position == 0 }, "what came before needs a key-value cache")
    let dimension = attention.headDimension
    let (width, memoryWidth) = (queries.columns, keys.columns)
    let group = attention.heads / attention.keyValueHeads
    return output(of: queries) { source, target in
      keys.values.withUnsafeBufferPointer { keyBuffer in
        values.values.withUnsafeBufferPointer { valueBuffer in
          nonisolated(unsafe) let (keys, values) = (keyBuffer.baseAddress!, valueBuffer.baseAddress!)
          pool.forEach(count: batch.runs.count * attention.keyValueHeads, grain: 1) { range in
            for task in range {
              let (run, head) = (batch.runs[task / attention.keyValueHeads], task % attention.keyValueHeads)
              let count = run.rows.count
              let start = run.rows.lowerBound * memoryWidth + head * dimension
              withUnsafeTemporaryAllocation(of: Float.self, capacity: dimension * count) { transposed in
                for row in 0..<count {
                  for d in 0..<dimension {
                    transposed[d * count + row] = values[start + row * memoryWidth + d]
                  }
                }
                let memory = HeadMemory(
                  keys: keys + start, keyStride: memoryWidth, values: transposed.baseAddress!,
                  valueStride: count)
                for member in 0..<group {
                  for first in stride(from: 0, to: count, by: Self.tile) {
                    let offset =
                      (run.rows.lowerBound + first) * width + (head * group + member) * dimension
                    let rows = QueryRows(
                      queries: source + offset, output: target + offset, stride: width,
                      count: min(Self.tile, count - first))
                    memory.answer(rows, headDimension: dimension, scale: attention.scale) {
                      attention.reach.positions(seenFrom: first + $0, of: count)
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  /// A matrix of the shape of the queries, written by `body`.
  private func output(
    of queries: Matrix, _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Matrix {
    Matrix(rows: queries.rows, columns: queries.columns) { target in
      queries.values.withUnsafeBufferPointer { source in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        body(from, to)
      }
    }
  }
}
