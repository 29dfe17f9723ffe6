import PithQuantization

extension CompressionMethod {
  /// The methods that prune.
  public static let sparsity: [CompressionMethod] = [
    CompressionMethod(
      name: "magnitude", summary: "prune the weights nearest to 0",
      paper: "Han et al., NeurIPS 2015", bits: survivorBits,
      options: survivors.union([.scope]), defaults: MethodOptions(bits: 16, groupSize: 64, scope: .matrix),
      function: { (weight, statistics, options, pool) throws(MethodError) in
        try Magnitude.prune(weight, statistics, options, pool)
      },
      rule: { (options) throws(MethodError) in
        if options.scope == .model, case .pattern = options.sparsity { throw .modelScope }
        try checkSurvivors(options)
      }),
    CompressionMethod(
      name: "wanda", summary: "prune by |weight| times the norm of its input, row by row",
      paper: "arXiv 2306.11695", bits: survivorBits, options: survivors,
      defaults: MethodOptions(bits: 16, groupSize: 64, scope: .row), calibration: .required,
      function: observing(Wanda.prune), rule: check),
    CompressionMethod(
      name: "obd", summary: "optimal brain damage: prune by the diagonal of H, nothing makes up for it",
      paper: "LeCun et al., NeurIPS 1989", bits: survivorBits, options: survivors.union([.scope]),
      defaults: MethodOptions(bits: 16, groupSize: 64, scope: .matrix), calibration: .required,
      function: observing(OptimalBrainDamage.prune), rule: check),
    CompressionMethod(
      name: "obc",
      summary:
        "optimal brain surgeon in each row, the cheapest removals of all first; slow: for small matrices",
      paper: "Hassibi and Stork, NeurIPS 1993; arXiv 2208.11580", bits: survivorBits,
      options: survivors.union([.scope, .damping]).subtracting([.block]),
      defaults: MethodOptions(bits: 16, groupSize: 64, scope: .matrix), calibration: .required,
      function: observing(OptimalBrainCompression.prune),
      rule: { (options) throws(MethodError) in
        try check(options)
        try OptimalBrainCompression.check(options)
      }),
    CompressionMethod(
      name: "sparsegpt",
      summary:
        "prune column by column, the columns still to come making up for it; quantizes in the same pass",
      paper: "arXiv 2301.00774", bits: survivorBits,
      options: survivors.union([.damping, .dynamic]),
      defaults: MethodOptions(bits: 16, groupSize: 64), calibration: .required,
      function: observing(SparseGPT.prune),
      rule: { (options) throws(MethodError) in
        try check(options)
        // Its blocks are chosen group by group.
        if let block = options.block, options.bits < 16, let size = options.groupSize,
          size % block.columns != 0
        {
          throw .blockAcrossGroups(block.columns, groupSize: size)
        }
      }),
  ]

  /// Weights that stay are codes of 4 or 8 bits, or float16.
  private static let survivorBits = [4, 8, 16]

  /// What is said of the weights that stay.
  private static let survivors: Set<MethodOptions.Name> = [
    .sparsity, .block, .groupSize, .grid, .rangeSearch,
  ]

  /// Codes lie in groups that masks can be read by.
  private static func check(_ options: MethodOptions) throws(MethodError) {
    if options.scope == .model { throw .modelScope }
    try checkSurvivors(options)
  }

  private static func checkSurvivors(_ options: MethodOptions) throws(MethodError) {
    if options.block != nil {
      guard case .share = options.sparsity, options.scope != .model else { throw .blocksElsewhere }
    }
    if options.dynamic, case .pattern = options.sparsity { throw .dynamicPattern }
    if options.bits == 16, options.groupSize != 64 { throw .unusedOption(.groupSize, method: "16 bits") }
    if options.rangeSearch != .minMax {
      if options.bits == 16 { throw .unusedOption(.rangeSearch, method: "16 bits") }
      if options.grid != .affine { throw .unusedOption(.rangeSearch, method: options.grid.rawValue) }
    }
    guard let size = options.groupSize, options.bits < 16 else { return }
    guard size % 16 == 0 else { throw .survivorGroups(size) }
    if case .pattern(_, let count) = options.sparsity, size % count != 0 {
      throw .patternAcrossGroups(count, groupSize: size)
    }
  }
}
