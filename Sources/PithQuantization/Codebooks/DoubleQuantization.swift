import PithTensors
import PithWeights

/// Double quantization: the scales, less their mean, are quantized to 8 bits in blocks of 256.
///
/// scale ≈ mean + blockScale · (code − 127), with blockScale = max|scale − mean|/127 over the block. In groups
/// of 64 the scales thus take 8/64 + 32/(64 · 256) = 0.127 bits per weight instead of 32/64 = 0.5. Source:
/// arXiv 2305.14314 (QLoRA), section 3.
struct DoubleQuantization {
  /// Scales per block.
  static let block = 256

  private let codes: [UInt8]
  private let blockScales: [Float]
  private let mean: Float

  /// The quantized form of scales.
  init(_ scales: [Float]) {
    let mean = Float(scales.reduce(0.0) { $0 + Double($1) } / Double(scales.count))
    var codes: [UInt8] = []
    var blockScales: [Float] = []
    codes.reserveCapacity(scales.count)
    for start in stride(from: 0, to: scales.count, by: DoubleQuantization.block) {
      let block = scales[start..<min(start + DoubleQuantization.block, scales.count)]
      let step = block.reduce(Float(0)) { max($0, ($1 - mean).magnitude) } / 127
      blockScales.append(step)
      codes += block.map { step == 0 ? 127 : UInt8(min(max((($0 - mean) / step).rounded() + 127, 0), 254)) }
    }
    self.codes = codes
    self.blockScales = blockScales
    self.mean = mean
  }

  /// The scales as they decode.
  var decoded: [Float] {
    codes.enumerated().map { index, code in
      mean + blockScales[index / DoubleQuantization.block] * (Float(code) - 127)
    }
  }

  /// The scales as they are stored.
  var storage: Codebook.Scales {
    .doubleQuantized(codes: Bytes(copying: codes), blockScales: Bytes(copying: blockScales), mean: mean)
  }
}
