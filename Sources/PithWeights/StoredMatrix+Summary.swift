extension StoredMatrix {
  /// The storage in a few words, as people say it: `int4 in groups of 64`, `float16`, `Q4_K`.
  public var summary: String {
    switch self {
    case .dense(let dense): dense.format.rawValue
    case .affine(let affine):
      "int\(affine.bits)\(affine.zeros == nil ? " symmetric" : "")"
        + (affine.groupSize < affine.columns ? " in groups of \(affine.groupSize)" : " per row")
    case .codebook(let codebook):
      "\(1 << codebook.bits) codes\(codebook.tablePerRow ? " per row" : "")"
        + (codebook.scales == nil ? "" : " in groups of \(codebook.groupSize)")
    case .vectors(let vectors):
      vectors.layout.summary + (vectors.scales == nil ? "" : ", scaled per row")
    case .blocks(let blocks): blocks.format.name
    case .transformed(let storage):
      switch storage.transform {
      case .permutation: "\(storage.inner.summary), reordered"
      case .scale: "\(storage.inner.summary), scaled"
      case .rotation: "\(storage.inner.summary), rotated"
      case .blockRotation(let rotation): "\(storage.inner.summary), rotated in runs of \(rotation.size)"
      }
    case .split(let storage): storage.parts.map { "\($0.columns)× \($0.summary)" }.joined(separator: " | ")
    case .sum(let storage): storage.terms.map(\.summary).joined(separator: " + ")
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
