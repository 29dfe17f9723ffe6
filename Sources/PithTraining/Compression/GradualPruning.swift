import PithSparsity
import PithTensors

/// Magnitude pruning while training goes on: every so many steps the weights nearest to 0 of each matrix go, and stay away.
///
/// Schedules: the cubic one of Zhu and Gupta (arXiv 1710.01878, equation 1); as much each time; or all at once.
struct GradualPruning: GradualCompression {
  private let settings: TrainingRecipe.Sparsity
  private let parameters: Parameters
  /// The places of the weights in the list.
  private let places: [Int]
  /// Which of them are there; nil until that is known.
  private var masks: [PruningMask]? {
    didSet {
      let (gone, count) = (masks ?? []).reduce((0, 0)) {
        ($0.0 + $1.keeps.count { !$0 }, $0.1 + $1.keeps.count)
      }
      share = Double(gone) / Double(max(1, count))
    }
  }
  private(set) var share = 0.0

  init(_ settings: TrainingRecipe.Sparsity, _ parameters: Parameters) {
    self.settings = settings
    self.parameters = parameters
    places = parameters.compressed
  }

  mutating func begin(step: Int, share: Double, on pool: ThreadPool) throws(TrainingError) {
    // What is 0 is gone already: so a training goes on where it was.
    if masks == nil { masks = places.map { PruningMask(nonzerosOf: parameters.list[$0].value) } }
    guard step % settings.every == 0 else { return }
    prune(to: Double(settings.target) * settings.schedule.done(share / settings.until), on: pool)
  }

  mutating func end(on pool: ThreadPool) {
    for (place, mask) in zip(places, masks ?? []) {
      parameters.clear(place, where: mask, on: pool)
    }
  }

  mutating func finish(on pool: ThreadPool) { prune(to: Double(settings.target), on: pool) }

  private mutating func prune(to share: Double, on pool: ThreadPool) {
    masks = places.map { place in
      let value = parameters.list[place].value
      // Weights that are gone are 0 and come first; whatever is 0 is taken for gone.
      var mask = PruningMask(
        Matrix(rows: value.rows, columns: value.columns, values: value.values.map(abs)), .share(Float(share)),
        scope: .matrix, on: pool)
      for (index, value) in value.values.enumerated() where value == 0 { mask.keeps[index] = false }
      return mask
    }
    end(on: pool)
  }
}

extension PruningMask {
  /// The mask that keeps what is not 0.
  init(nonzerosOf matrix: Matrix) {
    self.init(rows: matrix.rows, columns: matrix.columns)
    keeps = matrix.values.map { $0 != 0 }
  }
}

extension Parameters {
  /// Sets to 0 what a mask removes of a value.
  func clear(_ place: Int, where mask: PruningMask, on pool: ThreadPool) {
    list[place].value.values.withUnsafeMutableBufferPointer { values in
      mask.keeps.withUnsafeBufferPointer { keeps in
        nonisolated(unsafe) let (values, keeps) = (values, keeps)
        pool.forEach(count: values.count, grain: 65_536) { range in
          for place in range where !keeps[place] { values[place] = 0 }
        }
      }
    }
  }
}
