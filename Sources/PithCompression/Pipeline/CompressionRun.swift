import PithCheckpoints
import PithModels
import PithQuantization
import PithTensors
import PithWeights

/// The way of one model through the groups of its plan.
final class CompressionRun {
  /// The model; its norms change where scalings of inputs become theirs.
  private(set) var model: Model
  let plan: Plan
  let workspace: Workspace
  let compressor: GroupCompressor
  let progress: (_ done: Int) -> Void

  /// The matrices in their new storages, by name.
  private(set) var compressed: [String: StoredMatrix] = [:]
  private(set) var reports: [MatrixReport] = []
  private var seen = 0
  /// Compressed matrices whose pages are in memory.
  private var resident: [(layer: Int?, matrix: StoredMatrix)] = []

  init(
    model: Model, plan: Plan, workspace: Workspace, compressor: GroupCompressor,
    progress: @escaping (_ done: Int) -> Void
  ) {
    self.model = model
    self.plan = plan
    self.workspace = workspace
    self.compressor = compressor
    self.progress = progress
  }

  /// Compresses everything that the plan says.
  func compressAll(_ calibration: Calibration?, memory: Int) throws {
    if let calibration, plan.entries.contains(where: \.needsCalibration) {
      // The model is compressed under the feet of the tokens, of which none is needed once all is done.
      let sequences = workspace.isCompressed ? [] : calibration.sequences
      let budget = RowBudget(bytes: memory, folder: workspace.parent)
      try model.observe(sequences, budget: budget, on: compressor.pool) { try self.group($0, $1) }
    }
    for map in model.maps where compressed[plan[map.place].name] == nil && plan[map.place].quantizer != nil {
      _ = try group([map], nil)
    }
  }

  /// Compresses maps that share an input, unless they are done already.
  private func group(_ maps: [Linear], _ input: Observation.Input?) throws -> Observation.Replacement {
    let index = seen
    seen += 1
    let group: CompressedGroup
    if let done = try workspace.group(index) {
      group = done
    } else {
      if workspace.isCompressed, maps.contains(where: { plan[$0.place].needsCalibration }) {
        throw workspace.missing(index)
      }
      var statistics: InputStatistics?
      // Methods that need no calibration are measured by it, since the tokens are there.
      if let input, !workspace.isCompressed, maps.contains(where: { plan[$0.place].quantizer != nil }) {
        statistics = input.statistics(on: compressor.pool)
      }
      let made = try compressor.compress(maps, statistics, folds: model.hasNormOfItsOwn(before: maps))
      if !made.matrices.isEmpty { try workspace.keep(made, as: index) }
      group = try workspace.group(index) ?? made
    }
    let replacement = apply(group, to: maps)
    // What was read is not read again, and the rows have left the layers before this one.
    for map in maps { map.weight.releasePages() }
    let layer = maps.first?.place.layer
    resident.filter { $0.layer != layer }.forEach { $0.matrix.releasePages() }
    resident = resident.filter { $0.layer == layer } + group.matrices.map { (layer, $0.matrix) }
    return replacement
  }

  private func apply(_ group: CompressedGroup, to maps: [Linear]) -> Observation.Replacement {
    for (name, matrix) in group.matrices { compressed[name] = matrix }
    reports += group.reports
    if let scale = group.inputScale { model.scaleNorm(before: maps, by: scale) }
    progress(compressed.count)
    let replaced = maps.map { map in
      Linear(compressed[plan[map.place].name] ?? map.weight, bias: map.bias, at: map.place)
    }
    return Observation.Replacement(maps: replaced, inputScale: group.inputScale)
  }
}

extension Model {
  /// Every matrix once, in the order in which a batch meets them.
  var maps: [Linear] {
    switch self {
    case .decoder(let decoder): decoder.maps
    case .encoder(let encoder): encoder.maps
    }
  }

  /// Whether maps, and nothing else, read what a norm makes.
  func hasNormOfItsOwn(before maps: [Linear]) -> Bool {
    // Encoders add what their norms make to the residual stream.
    guard case .decoder = self else { return false }
    let roles = Set(maps.map(\.place.role))
    return roles == [.query, .key, .value] || roles == [.gate, .up]
  }

  /// Multiplies what the norm before maps makes, column by column.
  mutating func scaleNorm(before maps: [Linear], by scale: [Float]) {
    guard case .decoder(var decoder) = self, let place = maps.first?.place, let layer = place.layer else {
      return
    }
    if place.role == .gate || place.role == .up {
      decoder.layers[layer].feedForwardNorm = decoder.layers[layer].feedForwardNorm.scaled(by: scale)
    } else {
      decoder.layers[layer].attentionNorm = decoder.layers[layer].attentionNorm.scaled(by: scale)
    }
    self = .decoder(decoder)
  }
}

extension Norm {
  fileprivate func scaled(by scale: [Float]) -> Norm {
    Norm(kind, weight: zip(weight, scale).map { $0 * $1 }, epsilon: epsilon, at: place)
  }
}
