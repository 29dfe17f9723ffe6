import PithTokenizers
import Testing

@Suite struct MutatedTemplateTests {
  /// SplitMix64 (Steele, Lea, Flood 2014): the same mutations in every run.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  private static let fragments = [
    "{%", "%}", "{{", "}}", "{#", "#}", "-", "+", "|", "(", ")", "[", "]", "{", "}", ":", ",", ".", "'", "\"",
    "\\",
    " is ", " in ", " not ", " if ", " else ", " and ", "none", "loop", "messages", "[::-1]", "**", "//", "%",
    "~",
    "{% endfor %}", "{% endif %}", "{% break %}", "{% raw %}", "|tojson", "|map('upper')", "|list", "0", "-1",
    "9223372036854775807", "1e308", "\u{0}", "\u{301}", "👍🏽", "\n", "  ", "*args", "**kw", "caller()",
    "namespace(",
  ]

  @Test(.timeLimit(.minutes(5)), arguments: 0..<8)
  func mutatedTemplatesNeverCrash(_ seed: Int) throws {
    let fixtures = TemplateFixtures.shared
    let templates = fixtures.templates.sorted { $0.key < $1.key }.map { Array($0.value.unicodeScalars) }
    let sources = templates + fixtures.snippets.map { Array($0.source.unicodeScalars) }
    let conversations = fixtures.conversations.sorted { $0.key < $1.key }.map(\.value)
    var generator = Generator(state: UInt64(seed))
    var rendered = 0
    for _ in 0..<500 {
      var source = sources.randomElement(using: &generator) ?? []
      for _ in 0...Int.random(in: 0..<4, using: &generator) { mutate(&source, sources, &generator) }
      let conversation = try #require(conversations.randomElement(using: &generator))
      let context = conversation.context.context.merging(fixtures.snippetContext.context) { $1 }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: source)
      do {
        _ = try ChatTemplate(String(text)).render(conversation.messages.messages, context: context)
        rendered += 1
      } catch {
        #expect(error.line >= 1 && !error.message.isEmpty)
      }
    }
    #expect(rendered > 50, "only \(rendered) of 500 mutated templates rendered")
  }

  private func mutate(
    _ source: inout [Unicode.Scalar], _ sources: [[Unicode.Scalar]], _ generator: inout Generator
  ) {
    let start = Int.random(in: 0...source.count, using: &generator)
    let end = min(source.count, start + Int.random(in: 0..<12, using: &generator))
    switch Int.random(in: 0..<5, using: &generator) {
    case 0: source.removeSubrange(start..<end)
    case 1: source.insert(contentsOf: source[start..<end], at: end)
    case 2:
      let fragment = MutatedTemplateTests.fragments.randomElement(using: &generator) ?? ""
      source.insert(contentsOf: fragment.unicodeScalars, at: start)
    case 3:
      let fragment = MutatedTemplateTests.fragments.randomElement(using: &generator) ?? ""
      source.replaceSubrange(start..<end, with: fragment.unicodeScalars)
    default:
      let other = sources.randomElement(using: &generator) ?? []
      let from = Int.random(in: 0...other.count, using: &generator)
      source.insert(contentsOf: other[from..<min(other.count, from + 40)], at: start)
    }
  }
}
