import Foundation
import PithTokenizers
import Testing

/// Templates come from strangers: whatever they say, rendering ends soon, with a text or an error.
@Suite struct HostileTemplateTests {
  struct Hostile: CustomStringConvertible, Sendable {
    let description: String
    let source: String

    init(_ description: String, _ source: String) {
      self.description = description
      self.source = source
    }
  }

  /// Templates that ask for more depth, time or memory than there is: each must end in an error.
  static let endless: [Hostile] = [
    Hostile("nested parentheses", "{{ " + nested("(", "1", ")") + " }}"),
    Hostile("nested lists", "{{ " + nested("[", "1", "]") + " }}"),
    Hostile("nested dictionaries", "{{ " + nested("{1:", "1", "}") + " }}"),
    Hostile("nested subscripts", "{{ " + nested("a[", "1", "]") + " }}"),
    Hostile("nested calls", "{{ " + nested("f(", "1", ")") + " }}"),
    Hostile("nested filters", "{{ " + nested("1|d(", "1", ")") + " }}"),
    Hostile("nested signs", "{{ " + nested("-", "1", "") + " }}"),
    Hostile("nested choices", "{{ " + nested("1 if 0 else ", "1", "") + " }}"),
    Hostile("choices in a row", "{{ 1" + nested(" if 0", "", "") + " }}"),
    Hostile("nested conditions", nested("{% if 1 %}", "", "{% endif %}")),
    Hostile("nested loops", nested("{% for x in y %}", "", "{% endfor %}")),
    Hostile("nested targets", "{% set " + nested("(", "a", ")") + " = 1 %}"),
    Hostile("open brackets", "{{ " + nested("[", "", "")),
    Hostile("recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
    Hostile(
      "recursion by caller", "{% macro m() %}{% call m() %}{% endcall %}{{ caller() }}{% endmacro %}{{ m() }}"
    ),
    Hostile("recursion by default", "{% macro m(a=m()) %}{% endmacro %}{{ m() }}"),
    Hostile("long loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
    Hostile("long range", "{{ range(9223372036854775807) | list }}"),
    Hostile("wide range", "{{ range(-9223372036854775807, 9223372036854775807) }}"),
    Hostile("doubled text", grow("'ab'", "ns.x + ns.x")),
    Hostile("doubled list", grow("[1]", "ns.x + ns.x")),
    Hostile("doubled tuple", grow("(1, 2)", "ns.x * 2")),
    Hostile("deep list", grow("[]", "[ns.x]")),
    Hostile("deep dictionary", grow("{}", "{1: ns.x}")),
    Hostile("deep tuple", grow("()", "(ns.x,)")),
    Hostile("deep views", grow("{}", "{1: ns.x}.values()")),
    Hostile("shared lists, printed", grow("[1]", "[ns.x, ns.x]", times: 60) + "{{ ns.x }}"),
    Hostile("shared lists, as JSON", grow("[1]", "[ns.x, ns.x]", times: 60) + "{{ ns.x | tojson }}"),
    Hostile("shared lists, compared", twin("[ns.x, ns.x]") + "{{ ns.x == ns.y }}"),
    Hostile("shared dictionaries, compared", twin("{1: ns.x, 2: ns.x}") + "{{ ns.x == ns.y }}"),
    Hostile("shared lists, ordered", twin("[ns.x, ns.x]") + "{{ ns.x < ns.y }}"),
    Hostile("shared tuples as a key", grow("(1,)", "(ns.x, ns.x)", times: 60) + "{{ {ns.x: 1} }}"),
    Hostile("text times a million", "{{ 'x' * 1000000000 }}"),
    Hostile("list times a million", "{{ [1] * 9223372036854775807 }}"),
    Hostile("wide field", "{{ '%999999999d' % 1 }}"),
    Hostile("wide field in braces", "{{ '{:999999999}'.format(1) }}"),
    Hostile("wide indent", "{{ 'a' | indent(999999999, true) }}"),
    Hostile("wide JSON", "{{ [1] | tojson(indent=999999999) }}"),
    Hostile("wide centre", "{{ 'a' | center(999999999) }}"),
    Hostile("wide fill", "{{ 'a'.zfill(9223372036854775807) }}"),
    Hostile("wide batch", "{{ [1] | batch(9223372036854775807, 0) | list }}"),
    Hostile("growing replacement", "{% set x = 'a' * 100000 %}{{ x.replace('a', x) }}"),
    Hostile("growing join", "{% set x = 'a' * 500000 %}{{ range(1000) | map('string') | join(x) }}"),
    Hostile("much output", "{% set x = 'a' * 1000000 %}{% for i in range(99999) %}{{ x }}{% endfor %}"),
    Hostile("long searches", "{% set a = 'a' * 1000000 %}{% set b = 'a' * 500000 ~ 'b' %}{{ a.index(b) }}"),
    Hostile(
      "many long keys",
      "{% set k = 'a' * 1000000 %}{% for i in range(99999) %}{% if k in {} %}{% endif %}{% endfor %}"),
    Hostile("large power", "{{ 9 ** 99999999 }}"),
    Hostile("large product", "{{ 9223372036854775807 * 2 }}"),
    Hostile("least quotient", "{{ (-9223372036854775807 - 1) // -1 }}"),
    Hostile("least absolute value", "{{ (-9223372036854775807 - 1) | abs }}"),
    Hostile("least negation", "{{ -(-9223372036854775807 - 1) }}"),
    Hostile("large number", "{{ 1e300 | int }}"),
  ]

  /// Templates that look dangerous but have an answer.
  static let harmless: [Hostile] = [
    Hostile("long sum", "{{ 1" + String(repeating: " + 1", count: 20_000) + " }}"),
    Hostile("long concatenation", "{{ ''" + String(repeating: " ~ 'a'", count: 5_000) + " }}"),
    Hostile("long connective", "{{ 0" + String(repeating: " or 0", count: 20_000) + " }}"),
    Hostile("many inversions", "{{ " + String(repeating: "not ", count: 20_000) + "1 }}"),
    Hostile("long filter chain", "{{ 'a'" + String(repeating: " | upper", count: 5_000) + " }}"),
    Hostile("many branches", "{% if 0 %}" + String(repeating: "{% elif 0 %}", count: 5_000) + "{% endif %}"),
    Hostile(
      "namespace in itself",
      "{% set ns = namespace() %}{% set ns.x = ns %}{% set ns.y = [ns] %}{{ ns.x.x.y | length }}"),
    Hostile(
      "macro in a namespace",
      "{% set ns = namespace() %}{% macro m() %}{{ ns.m }}{% endmacro %}{% set ns.m = m %}{{ m() | length > 0 }}"
    ),
    Hostile("far index", "{{ [1][9223372036854775807] }}{{ 'a'[-9223372036854775807] }}"),
    Hostile("far slice", "{{ [1, 2][-9223372036854775807:9223372036854775807:9223372036854775807] }}"),
    Hostile(
      "far backward slice", "{{ 'ab'[9223372036854775807:-9223372036854775807:-9223372036854775807] }}"),
    Hostile("least remainder", "{{ (-9223372036854775807 - 1) % -1 }}"),
    Hostile(
      "iterator in itself",
      "{% set ns = namespace(x=[]) %}{% for i in range(500) %}{% set ns.x = [ns.x] | map('list') %}{% endfor %}ok"
    ),
    Hostile("nothing but signs", "{{-1}}{%--%}{#-#}"),
  ]

  private static func nested(_ open: String, _ core: String, _ close: String) -> String {
    String(repeating: open, count: 2_000) + core + String(repeating: close, count: 2_000)
  }

  private static func grow(_ start: String, _ next: String, times: Int = 99_999) -> String {
    "{% set ns = namespace(x=\(start)) %}{% for i in range(\(times)) %}{% set ns.x = \(next) %}{% endfor %}"
  }

  private static func twin(_ next: String) -> String {
    let other = next.replacing("ns.x", with: "ns.y")
    return "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
      + "{% set ns.x = \(next) %}{% set ns.y = \(other) %}{% endfor %}"
  }

  @Test(.timeLimit(.minutes(2)), arguments: endless)
  func templatesThatAskForTooMuchFail(_ hostile: Hostile) {
    #expect(throws: ChatTemplateError.self) { try ChatTemplate(hostile.source).render([]) }
  }

  @Test(.timeLimit(.minutes(2)), arguments: harmless)
  func templatesThatOnlyLookDangerousDoNotCrash(_ hostile: Hostile) {
    do {
      _ = try ChatTemplate(hostile.source).render([])
    } catch {
      #expect(error.line == 1)
    }
  }

  @Test func everyTemplateFitsASmallStack() async {
    // The threads that run Swift's tasks have half a megabyte of stack on some platforms. Code that is not optimized
    // takes several times as much.
    #if DEBUG
      let stackSize = 2 << 20
    #else
      let stackSize = 512 << 10
    #endif
    await withCheckedContinuation { continuation in
      let thread = Thread {
        for hostile in HostileTemplateTests.endless.prefix(16) + HostileTemplateTests.deep {
          _ = try? ChatTemplate(hostile.source).render([])
        }
        continuation.resume()
      }
      thread.stackSize = stackSize
      thread.start()
    }
  }

  /// Templates as deep as the limits let them be.
  private static let deep: [Hostile] = (30...56).flatMap { depth in
    let open = { (text: String) in String(repeating: text, count: depth) }
    return [
      Hostile("parentheses", "{{ \(open("("))1\(open(")")) }}"),
      Hostile("lists", "{{ \(open("["))1\(open("]")) }}"),
      Hostile("conditions", "\(open("{% if 1 %}"))x\(open("{% endif %}"))"),
      Hostile("captures", "\(open("{% set a %}"))x\(open("{% endset %}"))"),
      Hostile("filters", "{{ \(open("1|d(-[1,"))1\(open("])")) }}"),
      Hostile(
        "recursion in expressions",
        "{% macro m(k) %}{% if k > 0 %}{{ [(-1 + (m(k - 1) | length)) | string] | join }}{% endif %}{% endmacro %}{{ m(\(depth - 30)) }}"
      ),
    ]
  }
}
