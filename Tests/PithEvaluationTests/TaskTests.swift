import PithEvaluation
import Testing

struct TaskTests {
  @Test func quotesAndFurtherColumnsAreLiteral() throws {
    let task = try SentenceSimilarity(
      stsb: "a\tb\tc\td\t2.5\tA \"quoted\" one.\tAnother\textra\n\na\tb\tc\td\t5\tx\ty\r\n")
    #expect(task.scores == [2.5, 5])
    #expect(task.first == ["A \"quoted\" one.", "x"])
    #expect(task.second == ["Another", "y"])
  }

  @Test func aWrongLineIsNamed() {
    #expect(throws: TaskError(line: 2, fault: "seven columns with a score in the fifth are expected")) {
      try SentenceSimilarity(stsb: "a\tb\tc\td\t2.5\tx\ty\nnot so\n")
    }
    #expect(throws: TaskError(line: 3, fault: "a sentence, a tab and a class number are expected")) {
      try Classification(sst2: "sentence\tlabel\nfine\t1\nbad\tgood\n")
    }
  }

  @Test func theHeaderOfSST2IsNoSentence() throws {
    let task = try Classification(sst2: "sentence\tlabel\nfine\t1\nbad\t0\n")
    #expect(task.sentences == ["fine", "bad"])
    #expect(task.labels == [1, 0])
  }
}
