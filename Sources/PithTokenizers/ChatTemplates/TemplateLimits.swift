/// How much a template may ask for. Templates come from outside: each limit is far above what real ones need, and
/// together they bound the time, the memory and the stack that any template can take.
enum TemplateLimits {
  static let sourceBytes = 1 << 20
  /// Statements and expressions inside each other in the source.
  static let sourceNesting = 50
  /// Statements and expressions being evaluated inside each other, through macros.
  static let evaluationNesting = 160
  /// Lists and dictionaries inside each other.
  static let valueNesting = 100
  /// Bytes of one text, and of the rendered chat.
  static let textBytes = 16 << 20
  /// Steps of one rendering; reading, comparing and copying values count as steps too.
  static let steps = 8_000_000
  /// Elements of one range.
  static let rangeCount = 100_000
}

/// The steps that a rendering has left.
struct TemplateBudget {
  private var steps = TemplateLimits.steps

  mutating func spend(_ count: Int = 1) throws(TemplateFault) {
    guard count <= steps else { throw TemplateFault("the template takes too long.") }
    steps -= count
  }

  /// Pays for a list of `count` elements.
  mutating func spend(elements count: Int) throws(TemplateFault) {
    try spend(count < TemplateLimits.steps ? 1 + 4 * count : .max)
  }

  /// Pays for a text of `count` bytes.
  mutating func spend(bytes count: Int) throws(TemplateFault) {
    guard count <= TemplateLimits.textBytes else {
      throw TemplateFault("a text would be longer than \(TemplateLimits.textBytes) bytes.")
    }
    try spend(1 + count / 8)
  }
}
