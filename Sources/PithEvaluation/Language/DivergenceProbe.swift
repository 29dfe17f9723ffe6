import CPithKernels
import PithModels
import PithTensors

/// Measures again and again how far variants of a decoder, which differ from it in one layer, are from it.
///
///     let probe = DivergenceProbe(decoder, windows: windows, pool: pool)
///     let divergence = probe.divergence(of: variant, fromLayer: 12)
///
/// What comes before the layer is computed once and kept.
public struct DivergenceProbe {
  private let windows: [[Int32]]
  private let pool: ThreadPool
  /// The residual stream before each layer, for each window.
  private let streams: [[Matrix]]
  /// The rows that are compared, and the original's logits there.
  private let rows: [[Int]]
  private let logits: [Matrix]

  /// Every how many positions are compared.
  private static let stride = 4

  /// Reads the windows with the original.
  public init(_ original: Decoder, windows: [[Int32]], pool: ThreadPool) {
    self.windows = windows
    self.pool = pool
    var (streams, logits, rows): ([[Matrix]], [Matrix], [[Int]]) = ([], [], [])
    for window in windows {
      var run = Self.run(original, window, pool)
      var x = run.embed(window, from: original.embedding, scale: original.configuration.embeddingScale)
      var stream = [x]
      for layer in original.layers.indices {
        x = original.advance(x, through: layer..<(layer + 1), &run)
        stream.append(x)
      }
      let chosen = Array(Swift.stride(from: Self.stride - 1, to: window.count, by: Self.stride))
      streams.append(stream)
      rows.append(chosen)
      let states = run.normalize(run.select(x, rows: chosen), original.finalNorm)
      logits.append(original.logits(states, &run))
    }
    self.streams = streams
    self.logits = logits
    self.rows = rows
  }

  /// KL(original ‖ variant) in nats, the mean over positions.
  ///
  /// - Parameter layer: the first layer in which the variant differs; nil if its embedding does.
  public func divergence(of variant: Decoder, fromLayer layer: Int?) -> Double {
    var (sum, count) = (0.0, 0)
    for (index, window) in windows.enumerated() {
      var run = Self.run(variant, window, pool)
      let start =
        layer.map { streams[index][$0] }
        ?? run.embed(window, from: variant.embedding, scale: variant.configuration.embeddingScale)
      let x = variant.advance(start, through: (layer ?? 0)..<variant.layers.count, &run)
      let states = run.normalize(run.select(x, rows: rows[index]), variant.finalNorm)
      let (truth, found) = (logits[index], variant.logits(states, &run))
      var divergences = [Float](repeating: 0, count: truth.rows)
      truth.values.withUnsafeBufferPointer { truth in
        found.values.withUnsafeBufferPointer { found in
          divergences.withUnsafeMutableBufferPointer { divergences in
            let size = variant.configuration.vocabularySize
            pool.forEach(count: divergences.count, grain: 4) { rows in
              for row in rows {
                divergences[row] = pith_kl_divergence(
                  truth.baseAddress! + row * size, found.baseAddress! + row * size, size)
              }
            }
          }
        }
      }
      sum += divergences.reduce(0) { $0 + Double($1) }
      count += truth.rows
    }
    return sum / Double(max(count, 1))
  }

  private static func run(_ decoder: Decoder, _ window: [Int32], _ pool: ThreadPool) -> Inference {
    let cache = KeyValueCache(decoder.configuration, capacity: window.count)
    return Inference(Batch([(sequence: 0, position: 0, tokens: window)]), cache: cache, pool: pool)
  }
}
