import PithEvaluation
import Testing

struct SpearmanTests {
  @Test func anyRisingRelationCorrelatesFully() {
    #expect(spearman([1, 2, 3, 4], [10, 100, 1000, 1001]) == 1)
    #expect(spearman([1, 2, 3, 4], [4, 3, 2, 1]) == -1)
  }

  @Test func tiesShareTheMeanOfTheirRanks() {
    // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    #expect(abs(spearman([1, 2, 2, 3], [1, 2, 3, 4]) - 0.9486832980505138) < 1e-12)
  }

  @Test func aConstantSideHasNoCorrelation() {
    #expect(spearman([1, 1, 1], [1, 2, 3]).isNaN)
  }
}
