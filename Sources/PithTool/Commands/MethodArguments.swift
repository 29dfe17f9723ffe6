import ArgumentParser
import PithCompression
import PithQuantization

/// What a method may be told on the command line; a recipe has the same names as keys.
struct MethodArguments: ParsableArguments {
  @Option(help: "Bits per code (default: 4 for most methods).")
  var bits: String?

  @Option(help: "Columns that share a scale; 0 for one scale per row (default: 64 for most methods).")
  var groupSize: String?

  @Flag(help: "A range around zero, without stored zero points.")
  var symmetric = false

  @Option(help: "How a group's range is chosen: minmax, or mse or p2.4 to search for the least error.")
  var rangeSearch: String?

  @Flag(help: "nf4, af4: quantize the scales too, from 32 bits to 8.")
  var doubleQuantization = false

  @Flag(help: "kmeans, percentile: a table for each row instead of one for the matrix.")
  var tablePerRow = false

  @Option(
    help: "gptq: the order of columns: static (by activation), stored (the same, groups follow it), none.")
  var actOrder: String?

  @Option(
    help:
      "Pruning: the share of weights that become 0, such as 0.5, or n:m, n zeros in each m columns, such as 2:4 (default: 0.5)."
  )
  var sparsity: String?

  @Option(
    help:
      "Pruning by a share: the rows and columns of blocks that go whole, such as 1x8 or 4x8; larger ones run faster and lose more."
  )
  var block: String?

  @Option(
    help:
      "magnitude, obd, obc: where the least are sought: matrix, row, or of magnitude model (default: matrix)."
  )
  var scope: String?

  @Flag(help: "sparsegpt: blocks of columns may lose different shares.")
  var dynamic = false

  @Option(help: "svd, tensor-train: the inner size of products (default: that of half of the parameters).")
  var rank: String?

  @Option(help: "gptq, sparsegpt: the share of the mean diagonal of H that is added to it (default: 0.01).")
  var damping: String?

  @Option(help: "gptq, pruning in 4 bits: the values of weights: affine, nf4, af4.")
  var grid: String?

  @Option(help: "smoothquant: how far outliers move into the weights, 0 to 1 (default: 0.5).")
  var alpha: String?

  @Option(
    help:
      "Codebooks, and ranges of rtn: what is made small: plain, diagonal, or layer, the error of the outputs."
  )
  var loss: String?

  @Option(help: "vq, pq, opq, aq, lsq: consecutive columns that share a code.")
  var dimension: String?

  @Option(help: "aq, lsq: codewords in a sum; pq, opq: sub-spaces with a codebook of their own.")
  var codebooks: String?

  @Option(help: "vq, pq, opq, aq, lsq: alternations of codes and codebooks.")
  var iterations: String?

  @Option(help: "llm-int8: the magnitude from which on a feature is an outlier (default: 6).")
  var threshold: String?

  @Flag(help: "llm-int8: store the outliers of calibration apart, instead of finding those of each batch.")
  var fixedOutliers = false

  @Option(
    help: "spqr: the share of weights kept apart (default: 0.01); quik: that of columns (default: 0.05).")
  var outlierShare: String?

  @Option(help: "spqr: bits of the scales of groups (default: 3).")
  var scaleBits: String?

  @Option(help: "rtn, gptq: activations at run time: none, int8, int4; needs --symmetric --group-size 0.")
  var activations: String?

  /// The options that were given, with their texts.
  var given: [(MethodOptions.Name, String)] {
    let texts: [(MethodOptions.Name, String?)] = [
      (.bits, bits), (.groupSize, groupSize), (.symmetric, symmetric ? "true" : nil),
      (.rangeSearch, rangeSearch),
      (.doubleQuantization, doubleQuantization ? "true" : nil), (.tablePerRow, tablePerRow ? "true" : nil),
      (.actOrder, actOrder), (.damping, damping), (.grid, grid), (.alpha, alpha), (.loss, loss),
      (.dimension, dimension), (.codebooks, codebooks), (.iterations, iterations), (.threshold, threshold),
      (.outlierShare, outlierShare), (.scaleBits, scaleBits), (.activations, activations),
      (.sparsity, sparsity), (.block, block), (.scope, scope), (.dynamic, dynamic ? "true" : nil),
      (.fixedOutliers, fixedOutliers ? "true" : nil), (.rank, rank),
    ]
    return texts.compactMap { name, text in text.map { (name, $0) } }
  }

  var isEmpty: Bool { given.isEmpty }
}
