import PithModels
import PithQuantization
import PithTensors
import PithWeights

/// Compresses matrices that share an input: the preparing steps first, for all that go through the same ones, then each
/// matrix by itself.
struct GroupCompressor {
  let plan: Plan
  let pool: ThreadPool

  /// - Parameters:
  ///   - maps: matrices that share an input.
  ///   - statistics: what calibration saw there.
  ///   - folds: whether a norm before the matrices, and nothing else, feeds them: a scaling of the inputs of all is then
  ///     the norm's.
  func compress(_ maps: [Linear], _ statistics: InputStatistics?, folds: Bool) throws -> CompressedGroup {
    var group = CompressedGroup()
    var waiting = maps.filter { plan[$0.place].quantizer != nil }
    while let first = waiting.first {
      let chain = plan[first.place].transforms.map { $0.json.text() }
      let (same, rest) = (
        waiting.filter { plan[$0.place].transforms.map { $0.json.text() } == chain },
        waiting.filter { plan[$0.place].transforms.map { $0.json.text() } != chain }
      )
      try compress(same, statistics, folds: folds && same.count == maps.count, into: &group)
      waiting = rest
    }
    return group
  }

  /// Matrices that go through the same preparing steps.
  private func compress(
    _ maps: [Linear], _ statistics: InputStatistics?, folds: Bool, into group: inout CompressedGroup
  ) throws {
    let clock = ContinuousClock()
    let start = clock.now
    let weights = try maps.map { try Self.finite($0.weight.decoded(on: pool), plan[$0.place].name) }
    var prepared = Prepared(weights: weights, statistics: statistics)
    // What stored matrices decode to: the weights, behind a scaling that became the norm's.
    var reference = prepared
    var chain: [InputTransform] = []
    for step in plan[maps[0].place].transforms {
      guard case .transform(let method) = step.method,
        let transform = try method.transform(
          prepared.weights, prepared.statistics, options: step.options,
          quantizer: plan[maps[0].place].quantizer!.options, on: pool)
      else { continue }
      prepared = prepared.behind(transform, on: pool)
      if folds, chain.isEmpty, group.inputScale == nil, case .scale(let scales) = transform {
        group.inputScale = scales.array(of: UInt16.self).map { Half.decode(UInt16(littleEndian: $0)) }
        reference = prepared
      } else {
        chain.append(transform)
      }
    }
    let share = (clock.now - start) / Double(maps.count)
    for (index, map) in maps.enumerated() {
      let entry = plan[map.place]
      guard case .quantizer(let method)? = entry.quantizer?.method, let options = entry.quantizer?.options
      else { continue }
      let began = clock.now
      var quantized: QuantizedMatrix
      do {
        quantized = try method.quantize(
          prepared.weights[index], prepared.statistics, options: options, on: pool)
      } catch {
        throw CompressionError(matrix: entry.name, error)
      }
      for transform in chain.reversed() {
        quantized.matrix = .transformed(Transformed(transform, quantized.matrix))
      }
      let seen = reference.statistics
      let loss = seen.map {
        $0.relativeLoss(of: quantized.matrix.decoded(on: pool), to: reference.weights[index], on: pool)
      }
      if let loss, let seen, method.calibration == .required,
        let rounding = rounding(reference.weights[index], options, seen), loss > rounding
      {
        quantized.notes.append(.worseThanRounding(loss: loss, rounding: rounding))
      }
      group.matrices.append((entry.name, quantized.matrix))
      group.reports.append(
        MatrixReport(
          name: entry.name, steps: entry.summary, storage: quantized.matrix.summary,
          bytes: quantized.matrix.byteCount, weights: map.weight.rows * map.weight.columns, loss: loss,
          notes: quantized.notes.map(\.description), seconds: (clock.now - began + share) / .seconds(1)))
    }
  }

  /// The relative loss of rounding to nearest with the same bits and groups.
  private func rounding(_ weight: Matrix, _ options: QuantizationOptions, _ statistics: InputStatistics)
    -> Double?
  {
    let method = QuantizationMethod.named("rtn")!
    let plain = QuantizationOptions(
      bits: options.bits, groupSize: options.groupSize, symmetric: options.symmetric)
    guard method.bits.contains(options.bits),
      let stored = try? method.quantize(weight, options: plain, on: pool).matrix
    else { return nil }
    return statistics.relativeLoss(of: stored.decoded(on: pool), to: weight, on: pool)
  }

  private static func finite(_ weight: Matrix, _ name: String) throws -> Matrix {
    if let index = weight.values.firstIndex(where: { !$0.isFinite }) {
      throw CompressionError(
        matrix: name, QuantizationError.notFinite(row: index / weight.columns, column: index % weight.columns)
      )
    }
    return weight
  }

  /// Weights and what they see, behind some transforms.
  private struct Prepared {
    var weights: [Matrix]
    var statistics: InputStatistics?

    func behind(_ transform: InputTransform, on pool: ThreadPool) -> Prepared {
      Prepared(
        weights: weights.map { transform.behind($0, on: pool) },
        statistics: statistics?.transformed(by: transform, on: pool))
    }
  }
}

/// A matrix that a method could not take.
public struct CompressionError: Error, CustomStringConvertible {
  /// The matrix.
  public let matrix: String
  /// Why.
  public let reason: QuantizationError

  init(matrix: String, _ reason: QuantizationError) {
    self.matrix = matrix
    self.reason = reason
  }

  /// One sentence.
  public var description: String { "\(matrix): \(reason)" }
}
