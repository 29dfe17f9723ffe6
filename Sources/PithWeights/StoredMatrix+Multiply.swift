import CPithKernels
import PithTensors

extension StoredMatrix {
  /// Rows that a thread decodes and multiplies at one time, so that they stay in its second cache.
  private static let panel = 32

  /// The product x · Wᵀ of a batch of activations. The result does not depend on the number of threads.
  ///
  /// One token is multiplied with the packed rows as they lie. For several, rows are decoded panel by panel, and each
  /// panel is multiplied with all tokens.
  ///
  /// - Parameters:
  ///   - x: activations, tokens × `columns`.
  ///   - pool: the threads that share the work.
  /// - Returns: tokens × `rows`.
  public func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    precondition(x.columns == columns, "\(x.columns) inputs for \(columns) columns")
    return Matrix(rows: x.rows, columns: rows) { target in
      x.values.withUnsafeBufferPointer { source in
        guard let x = source.baseAddress, let y = target.baseAddress, columns > 0 else {
          target.update(repeating: 0)
          return
        }
        let tokens = source.count / columns
        switch self {
        case .dense(let dense) where dense.format == .float32 || tokens == 1:
          dense.multiply(x, tokens, y, on: pool)
        case .affine(let affine) where tokens == 1: affine.multiply(x, y, on: pool)
        case .codebook(let codebook) where tokens == 1: codebook.multiply(x, y, on: pool)
        case .blocks(let blocks) where tokens == 1: blocks.multiply(x, y, on: pool)
        default: multiplyPanels(x, tokens, y, on: pool)
        }
      }
    }
  }

  private func multiplyPanels(
    _ x: UnsafePointer<Float>, _ tokens: Int, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool
  ) {
    let (rows, columns) = (self.rows, self.columns)
    let panels = (rows + Self.panel - 1) / Self.panel
    pool.forEach(count: panels, grain: 1) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.panel * columns) { scratch in
        guard let decoded = scratch.baseAddress else { return }
        for panel in range {
          let first = panel * Self.panel
          let count = min(Self.panel, rows - first)
          for row in 0..<count { decode(row: first + row, into: decoded + row * columns) }
          pith_dot_block(x, columns, tokens, decoded, columns, count, columns, y + first, rows)
        }
      }
    }
  }
}

/// Rows that one thread takes at a time when one token is multiplied: enough work to be worth the hand-over.
func rowsPerTurn(columns: Int) -> Int { max(4, 32768 / max(1, columns)) }

/// Calls `body` with a token as the kernels of packed rows read it.
func withKernelToken(
  _ x: UnsafePointer<Float>, columns: Int, groupSize: Int, bits: Int,
  _ body: (UnsafePointer<pith_token>) -> Void
) {
  let room = pith_token_room(columns, groupSize, Int32(bits))
  withUnsafeTemporaryAllocation(of: Float.self, capacity: room) { room in
    var token = pith_prepare_token(x, columns, groupSize, Int32(bits), room.baseAddress)
    body(&token)
  }
}
