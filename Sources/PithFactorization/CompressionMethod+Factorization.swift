import PithQuantization

extension CompressionMethod {
  /// The methods that write a weight as a product.
  public static let factorization: [CompressionMethod] = [
    CompressionMethod(
      name: "svd",
      summary: "a product of two matrices of low rank, nearest to the outputs that calibration saw",
      paper: "Eckart and Young, 1936; arXiv 2312.05821", bits: 16...16, options: [.rank, .loss],
      defaults: MethodOptions(bits: 16, loss: .layer), losses: [.plain, .layer], calibration: .optional,
      isMadeOfRows: false, function: TruncatedSVD.factorize),
    CompressionMethod(
      name: "tensor-train",
      summary: "a train of three small cores; rows of an embedding are decoded one by one",
      paper: "Oseledets, 2011; arXiv 1901.10787", bits: 16...16, options: [.rank],
      defaults: MethodOptions(bits: 16), isMadeOfRows: false, function: plain(TensorTrainSVD.factorize)),
  ]
}
