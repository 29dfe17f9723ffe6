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
    let prepared = try prepare(maps, statistics, folds: folds && group.inputScale == nil)
    if let scale = prepared.folded { group.inputScale = scale }
    let share = (clock.now - start) / Double(maps.count)
    for (index, map) in maps.enumerated() {
      let began = clock.now
      let entry = plan[map.place]
      let (matrix, loss, notes) = try quantize(entry, prepared, index)
      group.matrices.append((entry.name, matrix))
      group.reports.append(
        MatrixReport(
          name: entry.name, steps: entry.summary, storage: matrix.summary, bytes: matrix.byteCount,
          weights: map.weight.rows * map.weight.columns, loss: loss, notes: notes,
          seconds: (clock.now - began + share) / .seconds(1)))
    }
  }

  /// Runs the preparing steps.
  private func prepare(_ maps: [Linear], _ statistics: InputStatistics?, folds: Bool) throws -> Preparation {
    let weights = maps.map { $0.weight.decoded(on: pool) }
    var prepared = Preparation(weights: Weights(weights: weights, statistics: statistics))
    let entry = plan[maps[0].place]
    for step in entry.transforms {
      guard case .transform(let method) = step.method else { continue }
      guard
        let transform = try method.transform(
          prepared.weights.weights, step.needsCalibration ? prepared.weights.statistics : nil,
          options: step.options, quantizer: entry.quantizer!.options, on: pool)
      else {
        prepared.notes.append("was not prepared by \(method.name), which leaves this input as it is")
        continue
      }
      prepared.weights = prepared.weights.behind(transform, on: pool)
      if folds, prepared.chain.isEmpty, prepared.folded == nil, case .scale(let scales) = transform {
        prepared.folded = scales.array(of: UInt16.self).map { Half.decode(UInt16(littleEndian: $0)) }
        prepared.reference = prepared.weights
      } else {
        prepared.chain.append(transform)
      }
    }
    return prepared
  }

  /// Quantizes one of the prepared weights, and measures its loss where calibration saw the input.
  private func quantize(_ entry: Plan.Entry, _ prepared: Preparation, _ index: Int) throws
    -> (matrix: StoredMatrix, loss: Double?, notes: [String])
  {
    guard case .quantizer(let method)? = entry.quantizer?.method, let options = entry.quantizer?.options
    else { preconditionFailure("a matrix without a quantizer") }
    var quantized: CompressedMatrix
    do {
      quantized = try method.quantize(
        prepared.weights.weights[index], entry.needsCalibration ? prepared.weights.statistics : nil,
        options: options, on: pool)
    } catch {
      throw CompressionError(matrix: entry.name, error)
    }
    let matrix = prepared.chain.reversed().reduce(quantized.matrix) { .transformed(Transformed($1, $0)) }
    let weight = prepared.reference.weights[index]
    let half = 2 * weight.rows * weight.columns
    if matrix.byteCount > half, method.bits[0] < 16 {
      quantized.notes.append(.largerThanHalf(bytes: matrix.byteCount, half: half))
    }
    let loss = prepared.reference.statistics.map { seen in
      let loss = seen.relativeLoss(of: matrix.decoded(on: pool), to: weight, on: pool)
      // Where activations are rounded too, weights give way to them on purpose.
      if entry.needsCalibration, options.activations == .none,
        let rounding = rounding(weight, method, options, seen), loss > rounding
      {
        quantized.notes.append(.worseThanRounding(loss: loss, rounding: rounding))
      }
      return loss
    }
    return (matrix, loss, prepared.notes + quantized.notes.map(\.description))
  }

  /// The relative loss of rounding to nearest with the same bits and groups; nil where bits are not those of a weight.
  private func rounding(
    _ weight: Matrix, _ method: CompressionMethod, _ options: MethodOptions,
    _ statistics: InputStatistics
  ) -> Double? {
    if !method.options.isDisjoint(with: [.dimension, .sparsity, .rank]) { return nil }
    let method = CompressionMethod.named("rtn")!
    let plain = MethodOptions(
      bits: options.bits, groupSize: options.groupSize, symmetric: options.symmetric)
    guard method.bits.contains(options.bits),
      let stored = try? method.quantize(weight, options: plain, on: pool).matrix
    else { return nil }
    return statistics.relativeLoss(of: stored.decoded(on: pool), to: weight, on: pool)
  }

  /// Weights and what they see, behind some transforms.
  private struct Weights {
    var weights: [Matrix]
    var statistics: InputStatistics?

    func behind(_ transform: InputTransform, on pool: ThreadPool) -> Weights {
      Weights(
        weights: weights.map { transform.behind($0, on: pool) },
        statistics: statistics?.transformed(by: transform, on: pool))
    }
  }

  /// What preparing steps made.
  private struct Preparation {
    /// What is quantized.
    var weights: Weights
    /// What stored matrices decode to: the weights, behind a scaling that became the norm's.
    var reference: Weights
    /// The transforms that are stored with the matrices.
    var chain: [InputTransform] = []
    /// The scaling that becomes the norm's.
    var folded: [Float]?
    var notes: [String] = []

    init(weights: Weights) { (self.weights, reference) = (weights, weights) }
  }
}

/// A matrix that a method could not take.
public struct CompressionError: Error, CustomStringConvertible {
  /// The matrix.
  public let matrix: String
  /// Why.
  public let reason: MethodError

  init(matrix: String, _ reason: MethodError) {
    self.matrix = matrix
    self.reason = reason
  }

  /// One sentence.
  public var description: String { "\(matrix): \(reason)" }
}
