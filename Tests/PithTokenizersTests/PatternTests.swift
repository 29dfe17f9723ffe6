@testable import PithTokenizers
import Testing

@Suite struct PatternTests {
  private func matches(_ pattern: String, _ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    var found: [String] = []
    try bytes.withUnsafeBufferPointer { buffer in
      try Pattern(pattern).forEachMatch(in: buffer) {
        found.append(String(decoding: buffer[$0], as: UTF8.self))
      }
    }
    return found
  }

  @Test(arguments: [
    (#"a|ab"#, "ab", ["a"]), (#"(?:a|ab)c"#, "abc", ["abc"]), (#"a*?b"#, "aab", ["aab"]),
    (#"a+?"#, "aaa", ["a", "a", "a"]), (#"a++a"#, "aaa", []), (#"(?>a+)b"#, "aab", ["aab"]),
    (#"a{2}"#, "aaaaa", ["aa", "aa"]), (#"a{2,3}"#, "aaaaa", ["aaa", "aa"]), (#"a{,2}b"#, "aaab", ["aab"]),
    (#"a{x"#, "a{x", ["a{x"]), (#"\s+(?!\S)|\s+"#, "   a", ["  ", " "]), (#"(?=ab)a"#, "aab", ["a"]),
    (#"(?i:'s|'ll)"#, "'S 'lL 'ſ", ["'S", "'lL", "'ſ"]), (#"(?i)ab"#, "AbaB", ["Ab", "aB"]),
    (#"[^\r\n\p{L}]"#, "é1\n", ["1"]), (#"[a-c&&[^b]]+"#, "abcab", ["a", "ca"]),
    (#"[\p{Lu}_-]+"#, "AÉ_-b", ["AÉ_-"]),
    (#"\p{^L}"#, "a1", ["1"]), (#"\P{L}"#, "a1", ["1"]), (#"\x{1F600}"#, "😀", ["😀"]),
    (#"\u00e9"#, "é", ["é"]),
    (#"[一-龥]+"#, "a漢字b", ["漢字"]), (#"^a|b$"#, "a\nab", ["a", "a", "b"]),
    (#"\bab\b"#, "ab cab ab", ["ab", "ab"]),
    (#"(ab)+"#, "ababa", ["abab"]), (#"(a|b)*c"#, "abac", ["abac"]), (#"."#, "a\n😀", ["a", "😀"]),
    (#"[]a]+"#, "a]b", ["a]"]), (#"\p{Han}+"#, "漢a", ["漢"]), (#"x?"#, "yxy", ["x"]),
  ])
  func leftmostFirstMatchesAreFound(pattern: String, text: String, expected: [String]) throws {
    #expect(try matches(pattern, text) == expected)
  }

  @Test(arguments: [
    "(", ")", "[", "a**b(", "*a", "a{2,1}", "a{1001}", #"\p{Nonsense}"#, #"(?<=a)b"#, #"\1"#, #"\k<a>"#,
    "[z-a]",
    "(a*)*", "(a*)*", "(?:a|)+", #"\x{110000}"#, "[[:alpha:]]", "\\", String(repeating: "(", count: 1000),
    "((((a{1000}){1000}){1000}){1000})",
  ])
  func whatIsNotSupportedIsRefused(pattern: String) {
    #expect(throws: TokenizerError.self) { try Pattern(pattern) }
  }

  @Test(
    .timeLimit(.minutes(1)),
    arguments: ["(a+)+b", "(a|a)*b", "(a|aa)+$b", "(.*)(.*)(.*)(.*)(.*)x", #"\s*x|."#])
  func exponentialPatternsEnd(pattern: String) throws {
    _ = try matches(pattern, String(repeating: "a", count: 5000))
    _ = try matches(pattern, String(repeating: " ", count: 5000))
  }
}
