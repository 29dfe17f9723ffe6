import CPithKernels
import PithTensors

/// Integers that are multiplied as integers: weights s · (c − 2^(bits−1)) with a scale per row, activations quantized token
/// by token when they arrive.
///
///     let y = StoredMatrix.integer(weight).multiply(x, on: pool)    // x in int8, sums in int32, y in float32
///
/// Products are added up exactly; a sum is rounded once, when it meets the scales of its row and token. Sources: LLM.int8()
/// (arXiv 2208.07339), SmoothQuant (2211.10438), QUIK (2310.09259).
public struct IntegerProduct: Sendable {
  /// How activations are quantized, each token by its own range.
  public enum Activations: String, Sendable, CaseIterable {
    /// s · q with q from −127 to 127 and s = max|x| / 127.
    case int8
    /// s · (q − z) with q and z from 0 to 15 over the range of x, widened to contain 0.
    case int4
  }

  /// The scales of the rows.
  public enum Scales: Sendable {
    /// `rows` float16 values.
    case float16(Bytes)
    /// `rows` float32 values.
    case float32(Bytes)
  }

  /// The most columns of which a sum of products surely fits in 32 bits.
  public static let largestColumns = 1 << 17

  /// The number of outputs.
  public let rows: Int
  /// The number of inputs, at most `largestColumns`.
  public let columns: Int
  /// Bits per weight: 4 or 8.
  public let bits: Int
  /// `rows` packed rows of `columns` codes (see `Packing`).
  public let codes: Bytes
  /// A scale per row.
  public let scales: Scales
  /// How activations are quantized.
  public let activations: Activations
  /// Features in which any |x| of a batch reaches this are multiplied in float32 instead; nil for none.
  public let threshold: Float?

  /// A matrix over existing memory.
  public init(
    rows: Int, columns: Int, bits: Int, codes: Bytes, scales: Scales, activations: Activations,
    threshold: Float? = nil
  ) {
    precondition(bits == 4 || bits == 8, "4 or 8 bits")
    precondition(columns <= Self.largestColumns, "at most \(Self.largestColumns) columns")
    precondition(codes.count == rows * Packing.bytesPerRow(columns, bits: bits), "size of codes")
    precondition(threshold.map { $0 > 0 } ?? true, "a threshold above 0")
    switch scales {
    case .float16(let values): precondition(values.count == rows * 2, "size of scales")
    case .float32(let values): precondition(values.count == rows * 4, "size of scales")
    }
    self.rows = rows
    self.columns = columns
    self.bits = bits
    self.codes = codes
    self.scales = scales
    self.activations = activations
    self.threshold = threshold
  }
}

extension IntegerProduct {
  var tensors: [NamedTensor] {
    let scaleTensor =
      switch scales {
      case .float16(let values): NamedTensor(role: "scales", type: .float16, shape: [rows], bytes: values)
      case .float32(let values): NamedTensor(role: "scales", type: .float32, shape: [rows], bytes: values)
      }
    return [
      NamedTensor(
        role: "codes", type: .uint8, shape: [rows, Packing.bytesPerRow(columns, bits: bits)], bytes: codes),
      scaleTensor,
    ]
  }

  func decode(row: Int, into target: UnsafeMutablePointer<Float>) {
    withKernelMatrix { pith_integer_decode($0, row, target) }
  }

  /// The product with a batch of activations: tokens × columns to tokens × rows.
  ///
  /// With a threshold, what counts as an outlier depends on all tokens of the batch.
  func multiply(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    let outliers = outlierColumns(of: x)
    guard !outliers.isEmpty else { return integerProduct(x, on: pool) }
    var inliers = x
    for token in 0..<x.rows {
      for column in outliers { inliers[token, column] = 0 }
    }
    return integerProduct(inliers, on: pool).adding(product(of: outliers, x, on: pool))
  }

  /// The columns in which any activation reaches the threshold, rising.
  func outlierColumns(of x: Matrix) -> [Int] {
    guard let threshold else { return [] }
    var isOutlier = [Bool](repeating: false, count: x.columns)
    x.values.withUnsafeBufferPointer { values in
      for start in stride(from: 0, to: values.count, by: max(1, x.columns)) {
        let token = UnsafeBufferPointer(rebasing: values[start..<(start + x.columns)])
        guard !(pith_largest_magnitude(token.baseAddress!, token.count) < threshold) else { continue }
        for (column, value) in token.enumerated() where value.magnitude >= threshold {
          isOutlier[column] = true
        }
      }
    }
    return isOutlier.indices.filter { isOutlier[$0] }
  }

  /// The product in integers.
  private func integerProduct(_ x: Matrix, on pool: ThreadPool) -> Matrix {
    Matrix(rows: x.rows, columns: rows) { target in
      guard let y = target.baseAddress, columns > 0 else {
        target.update(repeating: 0)
        return
      }
      withQuantized(x, on: pool) { tokens in
        withKernelMatrix { matrix in
          let grain = x.rows == 1 ? rowsPerTurn(columns: columns) : 64
          pool.forEach(count: (rows + 3) / 4, grain: max(1, grain / 4)) { range in
            pith_integer_product(
              matrix, tokens, range.lowerBound * 4, min(range.upperBound * 4, rows), y, rows)
          }
        }
      }
    }
  }

  /// Calls `body` with the tokens as they are quantized.
  private func withQuantized(
    _ x: Matrix, on pool: ThreadPool, _ body: (UnsafePointer<pith_integer_tokens>) -> Void
  ) {
    let stride = pith_integer_stride(columns, Int32(bits))
    let kind = activations == .int8 ? PITH_ACTIVATIONS_INT8 : PITH_ACTIVATIONS_INT4
    let (tokens, columns, bits) = (x.rows, columns, Int32(bits))
    withUnsafeTemporaryAllocation(byteCount: tokens * (stride + 8), alignment: 64) { room in
      let values = room.baseAddress!.assumingMemoryBound(to: Int8.self)
      let scales = (room.baseAddress! + tokens * stride).assumingMemoryBound(to: Float.self)
      let sums = (room.baseAddress! + tokens * (stride + 4)).assumingMemoryBound(to: Int32.self)
      x.values.withUnsafeBufferPointer { source in
        let x = source.baseAddress!
        pool.forEach(count: tokens, grain: max(1, 32768 / columns)) { range in
          for token in range {
            pith_integer_quantize(
              x + token * columns, columns, kind, bits, values + token * stride, scales + token, sums + token)
          }
        }
      }
      var quantized = pith_integer_tokens(
        values: values, scales: scales, sums: sums, count: tokens, stride: stride)
      body(&quantized)
    }
  }

  /// The product of some columns in float32.
  private func product(of chosen: [Int], _ x: Matrix, on pool: ThreadPool) -> Matrix {
    let columns = chosen.map { UInt32($0) }
    let weight = Matrix(rows: rows, columns: columns.count) { target in
      guard let start = target.baseAddress else { return }
      withKernelMatrix { matrix in
        pool.forEach(count: rows, grain: 64) { range in
          for row in range {
            pith_integer_decode_columns(matrix, row, columns, columns.count, start + row * columns.count)
          }
        }
      }
    }
    return StoredMatrix.dense(Dense(weight)).multiply(x.selecting(columns: chosen), on: pool)
  }

  private func withKernelMatrix(_ body: (UnsafePointer<pith_integers>) -> Void) {
    let (values, areHalf) =
      switch scales {
      case .float16(let values): (values, true)
      case .float32(let values): (values, false)
      }
    codes.withUnsafeBytes { codes in
      values.withUnsafeBytes { scales in
        var matrix = pith_integers(
          codes: codes.baseAddress!.assumingMemoryBound(to: UInt8.self),
          scales: scales.baseAddress!.assumingMemoryBound(to: UInt8.self),
          columns: columns, row_bytes: Packing.bytesPerRow(columns, bits: bits), bits: Int32(bits),
          scales_are_half: areHalf)
        body(&matrix)
      }
    }
  }
}
