import CPithKernels
import PithTensors

extension StoredMatrix {
  /// Rows that a thread decodes and multiplies at one time, so that they stay in its second cache.
  private static let panel = 32

  /// The product x · Wᵀ of a batch of activations. The result does not depend on the number of threads.
  ///
  /// One token, or a few one by one, is multiplied with the packed rows as they lie. For more, rows are decoded panel by
  /// panel, and each panel is multiplied with all tokens.
  ///
  /// - Parameters:
  ///   - x: activations, tokens × `columns`.
  ///   - pool: the threads that share the work.
  /// - Returns: tokens × `rows`.
  public func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    precondition(x.columns == columns, "\(x.columns) inputs for \(columns) columns")
    switch self {
    case .integer(let storage): return storage.multiply(x, on: pool)
    case .sparse(let storage): return storage.multiply(x, on: pool)
    case .transformed(let storage): return storage.multiply(x, on: pool)
    case .split(let storage): return storage.multiply(x, on: pool)
    case .sum(let storage): return storage.multiply(x, on: pool)
    case .product(let storage): return storage.multiply(x, on: pool)
    case .tensorTrain(let storage) where storage.contracts(tokens: x.rows):
      return storage.multiply(x, on: pool)
    case .tensorTrain, .dense, .affine, .codebook, .vectors, .blocks, .masked:
      return multiplyLeaf(x, on: pool)
    }
  }

  /// The products of a batch with several matrices, which share a transform of the inputs that all have.
  ///
  /// - Returns: what `multiply` gives for each.
  public static func multiply(_ x: Matrix, with matrices: [StoredMatrix], on pool: ThreadPool) -> [Matrix] {
    let transforms = matrices.map(\.inputTransform)
    guard matrices.count > 1, let shared = transforms[0], transforms.allSatisfy({ $0 == shared }) else {
      return matrices.map { $0.multiply(x, on: pool) }
    }
    let inner = matrices.map { if case .transformed(let storage) = $0 { storage.inner } else { $0 } }
    return multiply(shared.apply(x, on: pool), with: inner, on: pool)
  }

  private var inputTransform: InputTransform? {
    if case .transformed(let storage) = self { storage.transform } else { nil }
  }

  /// The product of a storage whose rows are decoded, or multiplied with one token as they lie.
  private func multiplyLeaf(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    Matrix(rows: x.rows, columns: rows) { target in
      x.values.withUnsafeBufferPointer { source in
        guard let x = source.baseAddress, let y = target.baseAddress, columns > 0 else {
          target.update(repeating: 0)
          return
        }
        let tokens = source.count / columns
        if case .dense(let dense) = self, dense.format == .float32 {
          dense.multiply(x, tokens, y, on: pool)
        } else if tokens <= tokensOneByOne {
          for token in 0..<tokens { multiplyToken(x + token * columns, y + token * rows, on: pool) }
        } else {
          multiplyPanels(x, tokens, y, on: pool)
        }
      }
    }
  }

  /// Up to how many tokens cost less one by one than rows decoded for all of them (measured with AVX-512). Where
  /// products of packed rows are no faster than decoding, that is one.
  private var tokensOneByOne: Int {
    switch self {
    case .dense: 4
    case .affine(let storage): storage.bits <= 4 ? 5 : 3
    case .codebook(let storage): (2...4).contains(storage.bits) ? 5 : 1
    case .vectors(let storage): storage.layout.bits > 8 ? 1 : 2
    case .blocks(let storage): [.q4_0, .q8_0, .q4_K].contains(storage.format) ? 2 : 1
    case .masked: 2
    case .tensorTrain: 0
    case .integer, .sparse, .transformed, .split, .sum, .product: 1
    }
  }

  private func multiplyToken(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, on pool: ThreadPool
  ) {
    switch self {
    case .dense(let storage): storage.multiply(x, 1, y, on: pool)
    case .affine(let storage): storage.multiply(x, y, on: pool)
    case .codebook(let storage): storage.multiply(x, y, on: pool)
    case .vectors(let storage): storage.multiply(x, y, on: pool)
    case .blocks(let storage): storage.multiply(x, y, on: pool)
    case .masked(let storage): storage.multiply(x, y, on: pool)
    case .integer, .sparse, .transformed, .split, .sum, .product, .tensorTrain:
      preconditionFailure("these multiply whole batches")
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
          decode(rows: first..<(first + count), into: decoded)
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
