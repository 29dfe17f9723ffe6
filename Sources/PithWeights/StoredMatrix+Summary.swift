extension StoredMatrix {
  /// The storage in a few words, as people say it: `int4 in groups of 64`, `float16`, `Q4_K`.
  public var summary: String {
    switch self {
    case .dense(let dense):
      switch dense.format {
      case .float32: "float32"
      case .float16: "float16"
      case .bfloat16: "bfloat16"
      }
    case .affine(let affine):
      "int\(affine.bits)\(affine.zeros == nil ? " symmetric" : "")"
        + (affine.groupSize < affine.columns ? " in groups of \(affine.groupSize)" : " per row")
    case .codebook(let codebook):
      "\(1 << codebook.bits) codes\(codebook.tablePerRow ? " per row" : "")"
        + (codebook.scales == nil ? "" : " in groups of \(codebook.groupSize)")
    case .blocks(let blocks): blocks.format.name
    }
  }
}
