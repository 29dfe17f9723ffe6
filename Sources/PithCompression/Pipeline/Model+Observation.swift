import PithCheckpoints
import PithModels
import PithQuantization
import PithTensors

extension Model {
  /// Sends calibration tokens through the model.
  ///
  /// - Parameter observer: sees each group of maps that share an input, and says what everything after sees in their place.
  /// - Throws: what `observer` throws first; the run ends with it.
  func observe(
    _ calibration: Calibration, budget: RowBudget, on pool: ThreadPool,
    _ observer: @escaping (_ maps: [Linear], _ input: Observation.Input) throws -> Observation.Replacement
  ) throws {
    let batch = Batch(calibration.sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
    var failure: (any Error)?
    let observer: Observation.Observer = { maps, input in
      do { return try observer(maps, input) } catch {
        failure = error
        return nil
      }
    }
    switch self {
    case .decoder(let decoder):
      var run = Observation(batch, decoder.configuration, budget: budget, pool: pool, observer: observer)
      _ = decoder.states(batch.tokens, &run)
    case .encoder(let encoder):
      var run = Observation(batch, nil, budget: budget, pool: pool, observer: observer)
      _ = encoder.states(batch, &run)
    }
    if let failure { throw failure }
  }
}

extension Observation.Input {
  /// What all rows tell of the input.
  func statistics(on pool: ThreadPool) -> InputStatistics {
    var observer = InputObserver(columns: columns)
    forEach { observer.add($0, on: pool) }
    return observer.statistics
  }
}
