import Foundation
import PithCheckpoints
import PithModels
import PithTensors
import PithTestSupport
import PithTraining
import Testing

struct OptimizerTests {
  let pool = ThreadPool(threads: 2)

  private func decoder() throws -> Decoder {
    guard case .decoder(let decoder) = try Checkpoint(path: Fixtures.path("models/llama")).model() else {
      throw CocoaError(.fileReadCorruptFile)
    }
    return decoder
  }

  @Test func scheduleRisesAndFalls() {
    let schedule = Schedule(peak: 2, warmUp: 4, steps: 104, decay: .cosine, floor: 0.1)
    #expect((0..<4).map { schedule.rate(at: $0) } == [0.5, 1, 1.5, 2])
    #expect(abs(schedule.rate(at: 4) - 2) < 1e-6 && abs(schedule.rate(at: 103) - 0.2) < 1e-6)
    let rates = (4..<104).map { schedule.rate(at: $0) }
    #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 >= $1 })
    let line = Schedule(peak: 1, steps: 11, decay: .linear, floor: 0)
    #expect(abs(line.rate(at: 5) - 0.5) < 1e-6 && line.rate(at: 10) < 1e-6)
  }

  /// A few steps on a tiny model, beside the same rule in double precision.
  @Test(arguments: [Optimizer.Rule.adamW(decay: 0.1), .momentum(0.8, decay: 0.05)])
  func stepsFollowTheirRule(_ rule: Optimizer.Rule) throws {
    let decoder = try decoder()
    let parameters = Parameters(decoder)
    var optimizer = Optimizer(rule)
    let batch = Batch([(sequence: 0, position: 0, tokens: [1, 2, 3, 4, 5, 6])])
    var expected = parameters.list.map { $0.value.values.map(Double.init) }
    var first = expected.map { $0.map { _ in 0.0 } }
    var second = first
    for step in 1...3 {
      var run = Differentiation(batch, parameters, pool: pool)
      _ = run.crossEntropy(
        decoder.states(batch.tokens, &run), behind: decoder.head, targets: [2, 3, 4, 5, 6, 7])
      run.runBack()
      for (index, parameter) in parameters.list.enumerated() {
        for i in expected[index].indices {
          let g = 0.5 * Double(parameter.gradient.values[i])
          switch rule {
          case .adamW(let beta1, let beta2, let epsilon, let decay):
            let (beta1, beta2) = (Double(beta1), Double(beta2))
            first[index][i] = beta1 * first[index][i] + (1 - beta1) * g
            second[index][i] = beta2 * second[index][i] + (1 - beta2) * g * g
            let m = first[index][i] / (1 - pow(beta1, Double(step)))
            let v = second[index][i] / (1 - pow(beta2, Double(step)))
            expected[index][i] -= 0.01 * (parameter.decays ? Double(decay) : 0) * expected[index][i]
            expected[index][i] -= 0.01 * m / (v.squareRoot() + Double(epsilon))
          case .momentum(let momentum, let decay):
            let pull = (parameter.decays ? Double(decay) : 0) * expected[index][i]
            first[index][i] = Double(momentum) * first[index][i] + g + pull
            expected[index][i] -= 0.01 * first[index][i]
          }
        }
      }
      optimizer.step(parameters, rate: 0.01, factor: 0.5, on: pool)
      #expect(parameters.list.allSatisfy { $0.gradient.values.allSatisfy { $0 == 0 } })
    }
    for (parameter, expected) in zip(parameters.list, expected) {
      let error = zip(parameter.value.values, expected).map { abs(Double($0) - $1) }.max() ?? 0
      #expect(error < 2e-5, "\(parameter.name): \(error)")
    }
  }

  @Test func aTinyModelLearnsAndTheSameAgain() throws {
    let decoder = try decoder()
    func trained(threads: Int) throws -> ([Double], [Matrix]) {
      let pool = ThreadPool(threads: threads)
      let parameters = Parameters(decoder)
      var training = Training(
        parameters, schedule: Schedule(peak: 1e-2, warmUp: 5, steps: 60), pool: pool)
      let batch = Batch([(sequence: 0, position: 0, tokens: [9, 4, 9, 2, 9, 4, 9, 2, 9, 4])])
      let losses = try (0..<60).map { _ in
        try training.step(
          [batch, batch], on: { Differentiation($0, parameters, dropout: nil, pool: pool) }
        ) { batch, run, weight in
          let states = decoder.states(batch.tokens, &run)
          return run.crossEntropy(
            states, behind: decoder.head, targets: Array(batch.tokens.dropFirst()) + [-1], weight: weight)
        }.loss
      }
      return (losses, parameters.list.map(\.value))
    }
    let (losses, values) = try trained(threads: 1)
    #expect(losses[0] > 2 && losses[59] < 0.1, "\(losses[0]) to \(losses[59])")
    let (again, others) = try trained(threads: 3)
    #expect(losses == again && values == others)
  }

  @Test func aLossThatIsNoNumberChangesNothing() throws {
    let decoder = try decoder()
    let parameters = Parameters(decoder)
    let before = parameters.list.map(\.value)
    var training = Training(parameters, schedule: Schedule(peak: 1, steps: 1), pool: pool)
    let batch = Batch([(sequence: 0, position: 0, tokens: [1, 2])])
    #expect(throws: TrainingError.self) {
      try training.step([batch], on: { Differentiation($0, parameters, pool: pool) }) { batch, run, _ in
        let states = decoder.states(batch.tokens, &run)
        return run.crossEntropy(states, behind: decoder.head, targets: [2, 3], weight: .infinity)
      }
    }
    #expect(parameters.list.map(\.value) == before)
  }
}
