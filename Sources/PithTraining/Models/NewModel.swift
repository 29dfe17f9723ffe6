import PithCheckpoints
import PithModels
import PithTensors
import PithWeights

/// The shape of a model that is trained from nothing: a decoder like Llama, or an encoder like BERT.
public struct NewModel: Sendable, Equatable {
  /// The number of layers.
  public var layers = 6
  /// The width of the residual stream, a multiple of twice the heads.
  public var width = 128
  /// Attention heads.
  public var heads = 4
  /// The width of the feed-forward layers.
  public var feedForward = 352
  /// The longest text in tokens.
  public var context = 256
  /// Which weights of the layers' matrices there are.
  public var mask = StaticMask()
  /// The path of a model whose tokens it reads; nil for bytes.
  public var vocabularyOf: String?

  /// Of a character model of 1.2 million parameters.
  public init() {}

  /// Random weights: normal ones of a deviation, larger by 1/√density where only some are there, so that outputs are as large.
  func map(
    _ place: Place, _ rows: Int, _ columns: Int, deviation: Float, bias: Bool = false,
    _ generator: inout SeededGenerator, seed: UInt64
  ) -> Linear {
    let masked = place.layer != nil && mask.density < 1
    let deviation = deviation / (masked ? mask.density.squareRoot() : 1)
    let values = (0..<(rows * columns)).map { _ in deviation * generator.normal() }
    let weight = Matrix(rows: rows, columns: columns, values: values)
    return Linear(
      masked ? mask.stored(weight, at: place, seed: seed) : .dense(Dense(weight)),
      bias: bias ? [Float](repeating: 0, count: rows) : nil, at: place)
  }
}

extension Model {
  /// The number of tokens that it knows.
  var vocabularySize: Int {
    switch self {
    case .decoder(let decoder): decoder.configuration.vocabularySize
    case .encoder(let encoder): encoder.configuration.vocabularySize
    }
  }
}

extension SeededGenerator {
  /// A normal value of mean 0 and deviation 1 (Box and Muller, 1958).
  public mutating func normal() -> Float {
    let radius = Float((-2 * Elementary.log(Double(1 - uniform()))).squareRoot())
    return radius * Elementary.cos(2 * .pi * uniform())
  }
}
