extension StoredMatrix {
  /// The storage in a few words, as people say it: `int4 in groups of 64`, `float16`, `Q4_K`.
  public var summary: String {
    switch self {
    case .dense(let dense): dense.format.rawValue
    case .affine(let affine):
      "int\(affine.bits)\(affine.zeros == nil ? " symmetric" : "")"
        + (affine.groupSize < affine.columns ? " in groups of \(affine.groupSize)" : " per row")
        + affine.scaleSummary
    case .codebook(let codebook):
      "\(1 << codebook.bits) codes\(codebook.tablePerRow ? " per row" : "")"
        + (codebook.scales == nil ? "" : " in groups of \(codebook.groupSize)")
    case .vectors(let vectors):
      vectors.layout.summary + (vectors.scales == nil ? "" : ", scaled per row")
    case .blocks(let blocks): blocks.format.name
    case .integer(let storage):
      "int\(storage.bits) × \(storage.activations.rawValue)"
        + (storage.threshold.map { ", outliers from \($0) on in float32" } ?? "")
    case .sparse(let sparse): "\(sparse.values.count / 2) values apart"
    case .masked(let masked): "\(masked.shareSummary) stored, \(masked.values.summary)"
    case .transformed(let storage):
      switch storage.transform {
      case .permutation: "\(storage.inner.summary), reordered"
      case .scale: "\(storage.inner.summary), scaled"
      case .rotation: "\(storage.inner.summary), rotated"
      case .blockRotation(let rotation): "\(storage.inner.summary), rotated in runs of \(rotation.size)"
      }
    case .split(let storage): storage.parts.map { "\($0.columns)× \($0.summary)" }.joined(separator: " | ")
    case .sum(let storage): storage.terms.map(\.summary).joined(separator: " + ")
    case .product(let storage): "rank \(storage.rank), \(storage.left.summary)"
    case .tensorTrain(let storage):
      "tensor train of ranks \(storage.shape.ranks.map { "\($0)" }.joined(separator: ", ")), \(storage.cores[0].format.rawValue)"
    }
  }
}

extension StoredMatrix {
  /// How many numbers the matrix is made of: those of its factors or cores, what a mask keeps, or else all of its weights.
  public var parameterCount: Int {
    switch self {
    case .product(let storage): storage.left.parameterCount + storage.right.parameterCount
    case .tensorTrain(let storage): storage.cores.reduce(0) { $0 + $1.rows * $1.columns }
    case .transformed(let storage): storage.inner.parameterCount
    case .masked(let masked): masked.count
    default: rows * columns
    }
  }
}

extension VectorCodebook.Layout {
  /// Such as `2 × 256 vectors of 8`.
  fileprivate var summary: String {
    (codebooks > 1 ? "\(codebooks) × " : "") + "\(1 << bits) vectors of \(dimension)"
      + (sets > 1 ? " in \(sets) sets" : "")
  }
}

extension Masked {
  /// The share of the weights that is stored.
  fileprivate var shareSummary: String {
    let percent = rows * columns == 0 ? 0 : (1000 * count + rows * columns / 2) / (rows * columns)
    return "\(percent / 10).\(percent % 10)%"
  }
}

extension Masked.Values {
  fileprivate var summary: String {
    switch self {
    case .float16: "float16"
    case .int8: "int8"
    case .fourBits: "16 codes"
    }
  }
}

extension Affine {
  /// What there is to say of the scales, if they are not plain.
  fileprivate var scaleSummary: String {
    if case .quantized(let scales) = scales { ", scales in \(scales.bits) bits" } else { "" }
  }
}
