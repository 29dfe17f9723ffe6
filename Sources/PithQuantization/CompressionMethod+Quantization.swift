import PithTensors
import PithWeights

extension CompressionMethod {
  /// The methods that quantize.
  public static let quantization: [CompressionMethod] = [
    CompressionMethod(
      name: "rtn", summary: "round to the nearest of evenly spaced integers, with a scale per group",
      paper: "arXiv 1712.05877, section 2.1", bits: 2...8,
      options: [.groupSize, .symmetric, .rangeSearch, .activations, .loss],
      defaults: MethodOptions(bits: 4, groupSize: 64), losses: [.plain, .layer], calibration: .optional,
      function: RoundToNearest.quantize, rule: RoundToNearest.check),
    CompressionMethod(
      name: "hqq", summary: "evenly spaced integers with zero points that make small errors smaller still",
      paper: "Badri and Shaji, Half-quadratic quantization of large machine learning models, 2023",
      bits: 2...8,
      options: [.groupSize], defaults: MethodOptions(bits: 4, groupSize: 64),
      function: plain(HalfQuadratic.quantize)),
    CompressionMethod(
      name: "kmeans", summary: "a table of values fitted by exact one-dimensional k-means",
      paper: "Wu, Optimal quantization by matrix searching, J. Algorithms 12, 1991", bits: 1...8,
      options: [.groupSize, .tablePerRow, .loss],
      defaults: MethodOptions(bits: 4, groupSize: 64), losses: [.plain, .diagonal],
      calibration: .optional, function: KMeans.quantize),
    CompressionMethod(
      name: "percentile", summary: "a table of evenly spaced quantiles: each code is used equally often",
      paper: "arXiv 2110.02861, section 2 (quantile quantization)", bits: 1...8,
      options: [.groupSize, .tablePerRow, .loss],
      defaults: MethodOptions(bits: 4, groupSize: 64), losses: [.plain, .diagonal],
      calibration: .optional, function: Percentile.quantize),
    CompressionMethod(
      name: "nf4", summary: "NormalFloat: 16 fixed values at the quantiles of a normal distribution",
      paper: "arXiv 2305.14314 (QLoRA)", bits: 4...4,
      options: [.groupSize, .doubleQuantization],
      defaults: MethodOptions(bits: 4, groupSize: 64), function: plain(NormalFloat.quantize)),
    CompressionMethod(
      name: "af4",
      summary: "AbnormalFloat: 16 values of least absolute error for normal blocks of the given size",
      paper: "arXiv 2306.06965", bits: 4...4,
      options: [.groupSize, .doubleQuantization],
      defaults: MethodOptions(bits: 4, groupSize: 64), function: plain(AbnormalFloat.quantize)),
    CompressionMethod(
      name: "gptq", summary: "column by column, each error made up for by the columns still to come",
      paper: "arXiv 2210.17323", bits: 2...8,
      options: [.groupSize, .symmetric, .rangeSearch, .actOrder, .damping, .grid, .activations],
      defaults: MethodOptions(
        bits: 4, groupSize: 64, rangeSearch: .squaredError, actOrder: .static),
      calibration: .required, function: observing(GPTQ.quantize)),
    CompressionMethod(
      name: "obq",
      summary: "weight by weight, in each row the one of least harm first; slow: for small matrices",
      paper: "arXiv 2208.11580", bits: 2...8, options: [.groupSize, .symmetric, .rangeSearch, .damping],
      defaults: MethodOptions(bits: 4, groupSize: 64, rangeSearch: .squaredError),
      calibration: .required, function: observing(OptimalBrainQuantization.quantize)),
    CompressionMethod(
      name: "spqr", summary: "GPTQ in small groups with quantized scales, the most sensitive weights apart",
      paper: "arXiv 2306.03078", bits: 2...8,
      options: [.groupSize, .rangeSearch, .damping, .outlierShare, .scaleBits],
      defaults: MethodOptions(bits: 3, groupSize: 16, outlierShare: 0.01, scaleBits: 3),
      calibration: .required, function: observing(SpQR.quantize)),
    CompressionMethod(
      name: "quik",
      summary: "GPTQ with weights and activations in 4 (or 8) bits, the columns of large inputs apart",
      paper: "arXiv 2310.09259", bits: [4, 8], options: [.rangeSearch, .damping, .outlierShare],
      defaults: MethodOptions(bits: 4, outlierShare: 0.05), calibration: .required,
      function: observing(QUIK.quantize), rule: QUIK.check),
    CompressionMethod(
      name: "vq", summary: "vectors: one codebook for all runs of columns, by k-means",
      paper: "Lloyd, Least squares quantization in PCM, 1982", bits: 1...12,
      options: [.dimension, .loss, .iterations, .seed],
      defaults: MethodOptions(bits: 8, loss: .layer, dimension: 4), calibration: .optional,
      function: VectorQuantization.quantize),
    CompressionMethod(
      name: "pq", summary: "product quantization: sub-spaces of columns with a codebook each",
      paper: "Jégou et al., Product quantization for nearest neighbor search, PAMI 33, 2011", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: MethodOptions(bits: 8, loss: .layer, dimension: 4, codebooks: 4),
      calibration: .optional, function: ProductQuantization.quantize),
    CompressionMethod(
      name: "opq", summary: "product quantization behind a rotation that suits it",
      paper: "Ge et al., Optimized product quantization, PAMI 36, 2014", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: MethodOptions(bits: 8, loss: .layer, dimension: 4, codebooks: 4),
      calibration: .optional, function: OptimizedProductQuantization.quantize),
    CompressionMethod(
      name: "aq", summary: "additive quantization: sums of codewords, found by beam search",
      paper: "Babenko and Lempitsky, CVPR 2014; on the layer loss arXiv 2401.06118 (AQLM)", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: MethodOptions(bits: 8, loss: .layer, dimension: 8, codebooks: 2),
      calibration: .optional, function: AdditiveQuantization.quantize),
    CompressionMethod(
      name: "lsq", summary: "additive quantization by local search with random disturbances",
      paper: "Martinez et al., ECCV 2016 and 2018", bits: 1...12,
      options: [.dimension, .codebooks, .loss, .iterations, .seed],
      defaults: MethodOptions(bits: 8, loss: .layer, dimension: 8, codebooks: 2),
      calibration: .optional, function: LocalSearchQuantization.quantize),
    CompressionMethod(
      name: "llm-int8",
      summary: "LLM.int8(): weights and activations in int8, multiplied as integers, large features apart",
      paper: "arXiv 2208.07339", bits: 8...8, options: [.rangeSearch, .threshold, .fixedOutliers],
      defaults: MethodOptions(bits: 8, threshold: 6), calibration: .optional, function: LLMInt8.quantize
    ),
    CompressionMethod(
      name: "float16", summary: "half precision: what compression is measured against", paper: "IEEE 754",
      bits: 16...16, options: [], defaults: MethodOptions(bits: 16), function: plain(Float16.quantize)),
  ]

  /// The method that quantizes and is called `name`, or nil.
  public static func named(_ name: String) -> CompressionMethod? { quantization.first { $0.name == name } }
}
