import PithGeneration
import Testing

struct SamplerTests {
  let logits: [Float] = [1, 3, 2, 3, -1]

  @Test func greedyTakesTheMostLikelyAndTheLowestAmongEquals() {
    var sampler = Sampler(.greedy)
    #expect(sampler.sample(logits) == 1)
  }

  @Test func probabilitiesAddUpAndFall() {
    for sampling in [
      Sampling(temperature: 1), Sampling(temperature: 0.5, topK: 3), Sampling(temperature: 2, topP: 0.8),
      Sampling(temperature: 1, topK: 4, topP: 0.5),
    ] {
      let candidates = Sampler.distribution(logits, sampling)
      #expect(abs(candidates.map(\.probability).reduce(0, +) - 1) < 1e-6)
      if sampling.topK != nil || sampling.topP < 1 {
        #expect(zip(candidates, candidates.dropFirst()).allSatisfy { $0.probability >= $1.probability })
      }
    }
  }

  @Test func topKKeepsExactlyKTheLowestIdsAmongEquals() {
    #expect(Sampler.distribution(logits, Sampling(temperature: 1, topK: 1)).map(\.token) == [1])
    #expect(Sampler.distribution(logits, Sampling(temperature: 1, topK: 3)).map(\.token) == [1, 3, 2])
    #expect(Sampler.distribution(logits, Sampling(temperature: 1, topK: 99)).count == 5)
  }

  @Test func topPKeepsTheFewestTokensThatReachIt() {
    // Probabilities 0.388, 0.388, 0.143, 0.053, 0.007 …
    #expect(Sampler.distribution(logits, Sampling(temperature: 1, topP: 0.3)).map(\.token) == [1])
    #expect(Sampler.distribution(logits, Sampling(temperature: 1, topP: 0.7)).map(\.token) == [1, 3])
    #expect(Sampler.distribution(logits, Sampling(temperature: 1, topP: 0.9)).map(\.token) == [1, 3, 2])
  }

  @Test func drawsFollowTheDistribution() {
    // Pearson's χ² over 20,000 draws: 4 degrees of freedom, p = 0.001 at 18.5.
    let sampling = Sampling(temperature: 0.8, seed: 7)
    var sampler = Sampler(sampling)
    var counts = [Double](repeating: 0, count: logits.count)
    for _ in 0..<20_000 { counts[Int(sampler.sample(logits))] += 1 }
    let chiSquare = Sampler.distribution(logits, sampling).reduce(0.0) { sum, candidate in
      let expected = Double(candidate.probability) * 20_000
      return sum + (counts[Int(candidate.token)] - expected) * (counts[Int(candidate.token)] - expected)
        / expected
    }
    #expect(chiSquare < 18.5, "χ² = \(chiSquare)")
  }

  @Test func theSameSeedDrawsTheSameTokens() {
    var (a, b) = (Sampler(Sampling(temperature: 1, seed: 3)), Sampler(Sampling(temperature: 1, seed: 3)))
    for _ in 0..<100 { #expect(a.sample(logits) == b.sample(logits)) }
  }
}
