import PithCheckpoints
import PithModels
import PithQuantization
import PithTensors

extension Model {
  /// Sends tokens through the model.
  ///
  /// - Parameters:
  ///   - sequences: the tokens; where there are none, nothing is computed but what the observer does.
  ///   - observer: sees each group of maps that share an input, and says what everything after sees in their place.
  /// - Throws: what `observer` throws first; the run ends with it.
  func observe(
    _ sequences: [[Int32]], budget: RowBudget, on pool: ThreadPool,
    _ observer: @escaping (_ maps: [Linear], _ input: Observation.Input) throws -> Observation.Replacement
  ) throws {
    let batch = Batch(sequences.enumerated().map { (sequence: $0, position: 0, tokens: $1) })
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
